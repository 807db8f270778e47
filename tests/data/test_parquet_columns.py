"""Parquet as other programs write it: columns of other types are understood, or refused in one line."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from faceinpaint.data.marked_holes import bring_mask, mask_row_stamp
from faceinpaint.data.mask_spec import every_mask, parse_masks
from faceinpaint.data.places import list_keys
from faceinpaint.data.prepare import prepare
from faceinpaint.data.source import picture_tables
from faceinpaint.data.stream import open_training_data
from faceinpaint.errors import InputError
from faceinpaint.serving.pictures import open_pictures


def png(level: int = 90) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.full((20, 30, 3), level, np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def written(path, **columns) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def pictures(uri: str) -> dict[str, bytes | None]:
    return {row["key"]: row["image"] for table in picture_tables(uri) for row in table.to_pylist()}


STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SAME = {
    "binary": pa.array([b"1", None]),
    "large": pa.array([b"1", None], pa.large_binary()),
    "of one width": pa.array([b"1", None], pa.binary(1)),
    "view": pa.array([b"1", None], pa.binary_view()),
    "dictionary": pa.array([b"1", None]).dictionary_encode(),
    "Hugging Face's": pa.array([{"bytes": b"1", "path": "a.png"}, None], STRUCT),
}
OTHERS = {
    "int64": pa.array([1, 2]),
    "list": pa.array([[1], [2]]),
    "struct<path": pa.array([{"path": "a.png"}] * 2),
    "struct<bytes: struct": pa.array([{"bytes": {"bytes": b"1"}}] * 2),
}


@pytest.mark.parametrize("column", SAME.values(), ids=SAME)
def test_bytes_of_any_type_are_pictures_and_masks(tmp_path, column):
    uri = written(tmp_path / "a.parquet", key=["a", "b"], image=column, mask=column)
    assert pictures(uri) == {"a": b"1", "b": None}
    assert open_pictures(uri).read("a") == b"1"
    masks = parse_masks(uri)
    assert list(every_mask(uri)) == [("a", b"1")]
    assert bring_mask(masks, "a").stamp == mask_row_stamp("a", b"1")
    with pytest.raises(InputError, match="an empty row"):
        bring_mask(masks, "b")


@pytest.mark.parametrize(("kind", "column"), OTHERS.items())
def test_what_holds_no_bytes_is_refused_in_one_line(tmp_path, kind, column):
    uri = written(tmp_path / "a.parquet", key=["a", "b"], image=column, mask=column)
    with pytest.raises(InputError, match=f"a.parquet: its column image is {kind}.*: give encoded bytes"):
        pictures(uri)
    with pytest.raises(InputError, match=f"a.parquet: its column mask is {kind}.*: give encoded bytes"):
        parse_masks(uri)
    with pytest.raises(InputError, match=f"a.parquet: its column image is {kind}.*: give encoded bytes"):
        open_training_data(uri)


@pytest.mark.parametrize("keys", [[["a"], ["b"]], [{"x": 1}, {"x": 2}]])
def test_keys_that_are_no_text_are_refused(tmp_path, keys):
    uri = written(tmp_path / "a.parquet", key=keys, image=[b"1", b"2"], mask=[b"1", b"2"])
    for read in (pictures, parse_masks):
        with pytest.raises(InputError, match=r"its column key is (list|struct).*: give text or numbers"):
            read(uri)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    columns = [pa.array(["a"]), pa.array([b"1"]), pa.array([b"2"])]
    pq.write_table(pa.Table.from_arrays(columns, ["key", "image", "image"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="several columns image"):
        pictures(str(tmp_path / "a.parquet"))


def test_keys_of_any_type_name_pictures_and_masks_alike(tmp_path):
    odd = pa.array([b"caf\xe9", b"caf\xc3\xa9"])
    for keys, names in [
        (odd, ["caf\\xe9", "caf\u00e9"]),
        (odd.view(pa.string()), ["caf\\xe9", "caf\u00e9"]),  # which some writers do not check
        (pa.array([1, 2]), ["1", "2"]),
        (pa.array([True, False]), ["true", "false"]),
    ]:
        uri = written(tmp_path / "a.parquet", key=keys, image=[b"1", b"2"], mask=[b"3", b"4"])
        assert pictures(uri) == dict(zip(names, [b"1", b"2"], strict=True))
        assert [key for key, _ in list_keys(uri)] == names
        masks = parse_masks(uri)
        assert [bring_mask(masks, name).mask for name in names] == [b"3", b"4"]


def test_rows_with_one_key_have_each_its_own_mask(tmp_path):
    """A Parquet of pictures and masks: the second row of a key is a#2 in both."""
    folder = tmp_path / "both.parquet"
    folder.mkdir()
    written(folder / "1.parquet", key=["a", "b", "a"], image=[b"1", b"2", b"3"], mask=[b"m1", b"m2", b"m3"])
    written(folder / "2.parquet", key=["a", None], image=[b"4", b"5"], mask=[b"m4", b"m5"])
    keys = {"a": b"1", "b": b"2", "a#2": b"3", "a#3": b"4"}
    assert {key: image for key, image in pictures(str(folder)).items() if image} == keys
    masks, known = parse_masks(str(folder)), dict(every_mask(str(folder)))
    for key, image in keys.items():
        brought = bring_mask(masks, key)
        assert brought.mask == known[key] == b"m" + image
        assert brought.stamp == mask_row_stamp(key, known[key])


def test_columns_of_others_named_like_ours_are_left_alone(tmp_path):
    """Data sets often have classes in a column label: they are no label maps, and no reason to stop."""
    uri = written(
        tmp_path / "a.parquet", key=["a"], image=pa.array([{"bytes": png(), "path": None}], STRUCT), label=[3], mask=[1]
    )
    assert pictures(uri) == {"a": png()}
    made = prepare(uri, str(tmp_path / "made"))
    assert (made.pictures, made.rejected) == (1, 0)
    assert "label" not in pq.read_schema(tmp_path / "made/shard-00000.parquet").names
    assert open_training_data(uri).rows == 1
    with pytest.raises(InputError, match="its column label is int64"):
        open_training_data(uri, labels=True)


def damaged(path, column: int, group: int = 1) -> str:
    """A Parquet of three row groups of two rows, of which the column of one is spoilt on the disk."""
    images = [bytes([65 + row]) * 3000 for row in range(6)]
    written(path, key=list("abcdef"), image=images, mask=images)
    pq.write_table(pq.read_table(path), path, row_group_size=2, use_dictionary=False)
    place = pq.ParquetFile(path).metadata.row_group(group).column(column).data_page_offset
    data = bytearray(path.read_bytes())
    data[place : place + 20] = b"\xff" * 20
    path.write_bytes(data)
    return str(path)


def test_a_damaged_row_group_costs_its_rows_alone(tmp_path):
    uri = damaged(tmp_path / "a.parquet", 1)
    rows = {row["key"]: row for table in picture_tables(uri) for row in table.to_pylist()}
    assert list(rows) == list("abcdef")
    for key, row in rows.items():
        assert (row["image"] is None) == (key in "cd")
        assert ("cannot be read: " in (row["error"] or "")) == (key in "cd")


def test_damaged_keys_are_told_at_once(tmp_path):
    uri = damaged(tmp_path / "a.parquet", 0)
    with pytest.raises(InputError, match=r"its keys cannot be read: .*; bring a whole file"):
        list(list_keys(uri))
    with pytest.raises(InputError, match=r"its keys cannot be read: .*; bring a whole file"):
        pictures(uri)


def test_damaged_masks_are_told_where_a_run_goes_on(tmp_path):
    uri = damaged(tmp_path / "a.parquet", 2)
    assert bring_mask(parse_masks(uri), "a").mask == b"A" * 3000
    with pytest.raises(InputError, match="cannot be read"):
        list(every_mask(uri))


@pytest.mark.parametrize("name", ["masks/part-0.parquet", "masks/PART-0.PARQUET", "masks.PARQUET"])
def test_masks_in_parquet_are_known_as_pictures_in_parquet_are(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    written(path, key=["a"], image=[b"1"], mask=[b"m"])
    uri = str(tmp_path / name.partition("/")[0])
    assert pictures(uri) == {"a": b"1"}
    masks = parse_masks(uri)
    assert bring_mask(masks, "a").mask == b"m"
