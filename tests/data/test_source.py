"""Every kind of source gives the same rows through a real local Ray."""

import io
import os
import tarfile
import zipfile
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceinpaint import storage
from faceinpaint.data import archives, dataset, places, source
from faceinpaint.errors import InputError

FILES = {"a.png": b"first", "deep/b c.jpg": b"second", "deep/er/d.txt": b"third", ".hidden": b""}


def rows(uri: str) -> dict[str, bytes | None]:
    return {row["key"]: row["image"] for row in dataset.read_pictures(uri).take_all()}


def parquet(files: dict[str, bytes], **columns) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"key": list(files), "image": list(files.values()), **columns}), sink)
    return sink.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


@pytest.mark.parametrize("where", ["local", "s3"])
def test_all_kinds_of_source_agree(ray_local, tmp_path, bucket, where):
    root = str(tmp_path) if where == "local" else bucket
    for name, data in FILES.items():
        storage.write_bytes(storage.join(root, "tree", name), data)
    storage.write_bytes(storage.join(root, "a.zip"), zipped(FILES))
    storage.write_bytes(storage.join(root, "a.tar.gz"), tarred(FILES))
    storage.write_bytes(storage.join(root, "shards/1.parquet"), parquet(FILES))
    storage.write_bytes(storage.join(root, "shards/rejected.parquet"), b"not read")
    for name in ("tree", "a.zip", "a.tar.gz", "shards", "shards/1.parquet"):
        assert rows(storage.join(root, name)) == FILES, name
    assert rows(storage.join(root, "tree/a.png")) == {"a.png": b"first"}


def test_parquet_keeps_masks_and_unpacks_structs(ray_local, tmp_path):
    image = pa.array([{"bytes": b"picture", "path": None}], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(pa.table({"key": ["k"], "image": image, "mask": [b"mask"], "other": [1]}), tmp_path / "a.parquet")
    (row,) = dataset.read_pictures(str(tmp_path / "a.parquet")).take_all()
    assert row == {"key": "k", "image": b"picture", "mask": b"mask", "error": None, "stamp": None}


KEYS = ["a", "b", "a", None, "a", "a#2", None, "c"], ["b", "d", "b#2"]  # of two files
NAMED = ["a", "b", "a#3", "1.parquet row 3", "a#4", "a#2", "1.parquet row 6", "c"], ["b#3", "d", "b#2"]


def write_keys(folder):
    """Two Parquet files with KEYS; pictures are their places, the first file in groups of two rows."""
    for number, keys in enumerate(KEYS, start=1):
        images = [f"{number}-{row}".encode() for row in range(len(keys))]
        table = pa.table({"key": pa.array(keys, pa.string()), "image": images})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=2)
    return str(folder)


def test_rows_of_parquet_with_one_key_or_none_are_told_apart(tmp_path, monkeypatch):
    """A second one gets #2, as in an archive, or the next number that no row has."""
    monkeypatch.setattr(source, "PARQUET_ROWS", 3)
    uri = write_keys(tmp_path)
    found = [row for table in source.picture_tables(uri) for row in table.to_pylist()]
    assert [row["key"] for row in found] == [*NAMED[0], *NAMED[1]]
    assert [key for key, _ in places.list_keys(uri)] == [row["key"] for row in found]
    without = {"1.parquet row 3", "1.parquet row 6"}
    for row, place in zip(found, [f"1-{i}" for i in range(8)] + [f"2-{i}" for i in range(3)], strict=True):
        if row["key"] in without:
            assert (row["image"], row["error"]) == (None, "its key is null: give each row a key of its own")
        else:
            assert (row["image"], row["error"]) == (place.encode(), None)
    assert places.note_numbered(uri) == (
        f"{uri}: 3 row(s) with the key of an earlier row get keys of their own, such as a#3"
    )
    as_they_are = [row["key"] for table in source.picture_tables(uri, number=False) for row in table.to_pylist()]
    assert as_they_are[:5] == ["a", "b", "a", "1.parquet row 3", "a"]


def test_keys_of_parquet_are_looked_at_again_when_a_file_changes(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet(FILES))
    assert places.note_numbered(str(path)) is None
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)
    assert [key for key, _ in places.list_keys(str(path))] == [*FILES, *(f"{key}#2" for key in FILES)]


def test_rows_with_one_key_are_told_apart_on_ray_too(ray_local, tmp_path):
    found = dataset.read_pictures(write_keys(tmp_path)).take_all()
    assert sorted(row["key"] for row in found) == sorted([*NAMED[0], *NAMED[1]])


def test_hostile_names_and_unreadable_files_are_rows(ray_local, tmp_path, monkeypatch):
    for name in (b"caf\xe9.png", rb"caf\xe9.png", b"new\nline.png", b"huge.png"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"data")
    os.truncate(tmp_path / "huge.png", source.LARGEST_FILE + 1)  # sparse
    found = {row["key"]: row for row in dataset.read_pictures(str(tmp_path)).take_all()}
    assert sorted(found) == ["caf\\x5cxe9.png", "caf\\xe9.png", "huge.png", "new\nline.png"]  # each has its own
    assert found["caf\\xe9.png"]["image"] == found["new\nline.png"]["image"] == b"data"
    assert found["huge.png"]["image"] is None
    assert "no photograph" in found["huge.png"]["error"]


def test_damaged_and_repeated_members_are_rows(ray_local, tmp_path):
    data = zipped({"good.png": b"good", "bad.png": b"Z" * 50})
    (tmp_path / "a.zip").write_bytes(data.replace(b"Z" * 50, b"Y" * 50))
    found = {row["key"]: row for row in dataset.read_pictures(str(tmp_path / "a.zip")).take_all()}
    assert found["good.png"]["image"] == b"good"
    assert found["bad.png"]["image"] is None
    assert "CRC" in found["bad.png"]["error"]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("x.png", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.png", b"2")
        archive.writestr("./x.png", b"3")
        archive.writestr("x.png#2", b"4")
        archive.writestr("a/../../b.png", b"5")
    wanted = {"x.png": b"1", "x.png#2": b"2", "x.png#3": b"3", "x.png#2#2": b"4", "../b.png": b"5"}
    assert rows(str(tmp_path / "b.zip")) == wanted


def test_a_member_that_cannot_be_unpacked_costs_its_row_alone(tmp_path):
    """Spoilt in the packed data of LZMA, and in the name that stands beside the data."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_LZMA) as archive:
        for name in ("packed.png", "n\u00e4med.png", "good.png"):
            archive.writestr(name, b"some picture" * 9)
        first, second, _ = (member.header_offset + 30 for member in archive.infolist())
    data = bytearray(sink.getvalue())
    data[first + len("packed.png") + 12] ^= 0xFF
    data[second + 1] = 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    found = {member[0]: archives.content(member) for member in archives.members(str(tmp_path / "a.zip"))}
    assert found.pop("good.png") == (b"some picture" * 9, None)
    assert list(found) == ["packed.png", "n\u00e4med.png"]
    for image, error in found.values():
        assert image is None
        assert error.startswith("cannot be read: ")


def test_a_picture_directly_below_the_root_is_read_there(monkeypatch):
    asked = []
    disk = SimpleNamespace(get_file_info=lambda path: SimpleNamespace(size=7))
    monkeypatch.setattr(source, "open_uri", lambda uri: (disk, uri))
    monkeypatch.setattr(source, "stamp_of", lambda uri: "stamp")
    monkeypatch.setattr(source, "read_bytes", lambda uri: asked.append(uri) or b"picture")
    (table,) = source.single_row("/no such picture.png")
    assert table.to_pylist()[0]["key"] == "no such picture.png"
    assert asked == ["/no such picture.png"]


def test_links_in_a_tar_are_not_lost(ray_local, tmp_path):
    """A second name of a file comes without bytes in a stream: it says so; a symbolic link is no file."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"picture")
    os.link(tmp_path / "in/a.png", tmp_path / "in/b.png")
    os.symlink("a.png", tmp_path / "in/c.png")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("a.png", "b.png", "c.png"):
            archive.add(tmp_path / "in" / name, name)
    found = {row["key"]: row for row in dataset.read_pictures(str(tmp_path / "a.tar")).take_all()}
    assert sorted(found) == ["a.png", "b.png"]
    assert "hard link to a.png" in found["b.png"]["error"]
    assert places.count_pictures(str(tmp_path / "a.tar")) == 2


def test_whether_a_folder_of_parquet_is_small_is_known_from_its_first_files(tmp_path):
    table = pa.table({"key": ["a", "b"], "image": [b"1", b"2"]})
    for number in range(3):
        pq.write_table(table, tmp_path / f"{number}.parquet")
    assert [places.is_small(str(tmp_path), rows) for rows in (5, 6)] == [False, True]
    (tmp_path / "2.parquet").write_bytes(b"never read")
    assert not places.is_small(str(tmp_path), 3)


def test_a_truncated_tar_gives_what_it_can_and_says_so(ray_local, tmp_path):
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name in ("a", "b"):
            member = tarfile.TarInfo(name)
            member.size = 2000
            archive.addfile(member, io.BytesIO(bytes(2000)))
    (tmp_path / "cut.tar").write_bytes(sink.getvalue()[:4000])
    found = {row["key"]: row for row in dataset.read_pictures(str(tmp_path / "cut.tar")).take_all()}
    assert found["a"]["image"] == bytes(2000)
    assert "damaged from here on" in found["cut.tar"]["error"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("absent", None, "no such file or folder"),
        ("empty.zip", zipped({}), "an empty archive"),
        ("broken.zip", b"PK no", "not a readable archive"),
        ("broken.tar", b"no tar at all", "not a readable archive"),
        ("broken.parquet", b"PAR1", "no readable Parquet"),
        ("rowless.parquet", parquet({}), "no rows"),
    ],
)
def test_nothing_to_read_is_one_clear_line(tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        dataset.read_pictures(str(tmp_path / name))


def test_a_device_or_a_pipe_is_no_source(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for uri in (str(tmp_path / "pipe.png"), "/dev/null"):
        with pytest.raises(InputError, match="a device or a pipe"):
            places.check_source(uri)


def test_parquet_without_pictures_names_the_column(tmp_path):
    pq.write_table(pa.table({"key": ["a"], "photo": [b""]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no column image"):
        dataset.read_pictures(str(tmp_path / "a.parquet"))


def test_a_tree_with_one_stray_parquet_is_still_a_tree(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.parquet").write_bytes(b"")
    assert not places.is_parquet(str(tmp_path))


def test_small_is_said_of_names_alone(tmp_path):
    for i in range(3):
        storage.write_bytes(str(tmp_path / "tree" / f"{i}.png"), b"no picture")
    (tmp_path / "three.zip").write_bytes(zipped({f"{i}.png": b"" for i in range(3)}))
    pq.write_table(pa.table({"key": ["a", "b", "c"], "image": [b""] * 3}), tmp_path / "three.parquet")
    assert places.is_small(str(tmp_path / "tree"), 3)
    assert not places.is_small(str(tmp_path / "tree"), 2)
    assert places.is_small(str(tmp_path / "tree" / "0.png"), 1)
    for name in ("three.zip", "three.parquet"):
        assert places.is_small(str(tmp_path / name), 3)
        assert not places.is_small(str(tmp_path / name), 2)
