"""faceinpaint prepare: the same shards from every kind of source, bad files in a table, resumption, refusals."""

import hashlib
import io
import runpy
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from faceinpaint.data import prepare as module
from faceinpaint.data.prepare import prepare
from faceinpaint.errors import InputError
from faceinpaint.photos.decode import decode_rgb
from faceinpaint.storage import join, list_files, read_bytes, write_bytes

JOB = Path(__file__).parents[2] / "jobs" / "prepare.py"


def png(seed: int, size: tuple[int, int] = (40, 48)) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)).save(sink, "PNG")
    return sink.getvalue()


PICTURES = {f"{i // 10}/{i:03d}.png": png(i) for i in range(25)}
BAD = {"0/bad.png": b"no picture", "small.png": png(0, (8, 8))}


def write_tree(root: str) -> str:
    for name, data in (PICTURES | BAD).items():
        write_bytes(join(root, name), data)
    return root


def contents(root: str) -> dict[str, bytes]:
    return {name: read_bytes(join(root, name)) for name, _ in list_files(root) if name.endswith(".parquet")}


@pytest.fixture
def shards_of_ten(monkeypatch):
    monkeypatch.setattr(module, "SHARD_ROWS", 10)


@pytest.mark.parametrize("kind", ["tree", "zip"])
def test_few_pictures_become_the_same_shards_without_ray(kind, ray_local, tmp_path, shards_of_ten, monkeypatch):
    source = write_tree(str(tmp_path / "tree"))
    if kind == "zip":
        source = str(tmp_path / "a.zip")
        with zipfile.ZipFile(source, "w") as archive:
            for name, data in (PICTURES | BAD).items():
                archive.writestr(name, data)
    on_ray = prepare(source, str(tmp_path / "ray"), size=16)
    monkeypatch.setattr(module, "works_here", lambda uri: True)
    assert prepare(source, str(tmp_path / "here"), size=16) == on_ray
    assert contents(str(tmp_path / "here")) == contents(str(tmp_path / "ray"))


def test_shards_of_a_tree_and_a_zip_on_disk_and_s3(ray_local, tmp_path, bucket, shards_of_ten):
    tree, zipped = write_tree(str(tmp_path / "tree")), str(tmp_path / "a.zip")
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in sorted(PICTURES | BAD):
            archive.writestr(name, (PICTURES | BAD)[name])
    done = prepare(tree, str(tmp_path / "a"), crop=(4, 4, 36, 36), size=16)
    assert (done.pictures, done.rejected, done.shards) == (25, 2, 3)
    prepare(zipped, join(bucket, "b"), crop=(4, 4, 36, 36), size=16)
    assert contents(str(tmp_path / "a")) == contents(join(bucket, "b"))
    rejected = pq.read_table(tmp_path / "a/rejected.parquet").to_pylist()
    assert {row["key"] for row in rejected} == set(BAD)
    assert "leaves a picture of 8x8" in next(row["reason"] for row in rejected if row["key"] == "small.png")
    row = pq.read_table(tmp_path / "a/shard-00000.parquet").to_pylist()[0]
    assert (row["key"], row["width"], row["height"]) == ("0/000.png", 16, 16)
    assert row["sha256"] == hashlib.sha256(PICTURES["0/000.png"]).hexdigest()
    assert decode_rgb(row["image"]).shape == (16, 16, 3)
    assert prepare(str(tmp_path / "a"), str(tmp_path / "again")).pictures == 25  # Parquet in


def test_a_cut_off_job_goes_on_to_the_same_bytes(ray_local, tmp_path, shards_of_ten, monkeypatch):
    tree = write_tree(str(tmp_path / "tree"))
    prepare(tree, str(tmp_path / "whole"))
    write, output = module._write_table, str(tmp_path / "cut")

    def cut_off(uri, table):
        if uri.endswith("shard-00001.parquet"):
            raise KeyboardInterrupt
        write(uri, table)

    monkeypatch.setattr(module, "_write_table", cut_off)
    with pytest.raises(KeyboardInterrupt):
        prepare(tree, output)
    monkeypatch.setattr(module, "_write_table", write)
    assert len(contents(output)) == 1
    assert prepare(tree, output) == prepare(tree, output)  # the second finds nothing to do
    assert contents(output) == contents(str(tmp_path / "whole"))
    with pytest.raises(InputError, match="another size"):
        prepare(tree, output, size=16)


def test_a_split_keeps_its_keys_and_lists_the_absent(ray_local, tmp_path):
    (tmp_path / "keys.txt").write_text("0/003.png\n7\n999\n")
    done = prepare(write_tree(str(tmp_path / "tree")), str(tmp_path / "out"), split=str(tmp_path / "keys.txt"))
    assert (done.pictures, done.rejected) == (2, 1)
    table = pq.read_table(tmp_path / "out/shard-00000.parquet")
    assert table["key"].to_pylist() == ["0/003.png", "0/007.png"]
    assert table["image"][0].as_py() == PICTURES["0/003.png"]  # untouched without --crop and --size
    assert pq.read_table(tmp_path / "out/rejected.parquet")["key"].to_pylist() == ["999"]


def test_rows_with_one_key_stay_two_and_rows_without_are_rejected(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "works_here", lambda uri: True)
    table = pa.table({"key": pa.array(["a", None, "a"], pa.string()), "image": [png(i) for i in range(3)]})
    pq.write_table(table, tmp_path / "in.parquet")
    done = prepare(str(tmp_path / "in.parquet"), str(tmp_path / "out"))
    assert (done.pictures, done.rejected) == (2, 1)
    assert "1 row(s) with the key of an earlier row get keys of their own, such as a#2" in capsys.readouterr().out
    shard = pq.read_table(tmp_path / "out" / "shard-00000.parquet")
    assert dict(zip(shard["key"].to_pylist(), shard["image"].to_pylist(), strict=True)) == {"a": png(0), "a#2": png(2)}
    (rejected,) = pq.read_table(tmp_path / "out" / "rejected.parquet").to_pylist()
    assert rejected == {"key": "in.parquet row 1", "reason": "its key is null: give each row a key of its own"}


def test_an_output_among_the_pictures_is_refused(tmp_path):
    tree = write_tree(str(tmp_path / "tree"))
    (tmp_path / "link").symlink_to(tree)
    for output in (join(tree, "shards"), str(tmp_path / "link/shards")):
        with pytest.raises(InputError, match="lie in each other"):
            prepare(tree, output)
    assert not (tmp_path / "tree/shards").exists()


def test_an_output_in_use_is_refused(ray_local, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/letter.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        prepare(write_tree(str(tmp_path / "tree")), str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tree", "--output", "out", "--crop", "1,2"], "is not X0,Y0,X1,Y1"),
        (["tree", "--output", "out", "--size", "0"], "0 is less than 1"),
        (["tree", "--output", "out", "--crop", "0,0,4,5"], "needs --size"),
        (["tree"], "required"),
    ],
)
def test_wrong_arguments_exit_2(arguments, complaint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["prepare.py", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(JOB), run_name="__main__")
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


def test_unusable_inputs_exit_2_with_one_line(ray_local, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["prepare.py", str(tmp_path / "absent"), "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(JOB), run_name="__main__")
    assert end.value.code == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/absent: no such file or folder\n"
    assert not (tmp_path / "out").exists()


def test_a_finished_output_whose_source_has_grown_says_so(tmp_path, capsys):
    source, output = write_tree(str(tmp_path / "tree")), str(tmp_path / "out")
    made = prepare(source, output)
    capsys.readouterr()
    assert prepare(source, output) == made
    assert capsys.readouterr().out == ""
    write_bytes(str(tmp_path / "tree/new.png"), b"no picture")
    assert prepare(source, output) == made
    files = made.pictures + made.rejected
    assert f"out was made of {files} files, and {source} holds {files + 1} now" in capsys.readouterr().out
