"""A run can always be finished: what changed is done again, what is gone keeps a marked row."""

import io
import os
import unicodedata
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from faceinpaint import Options, restore
from faceinpaint.storage import delete, join, list_files, read_bytes, write_bytes

SIDE = 32  # of preset tiny


def png(seed, size=(SIDE, SIDE)):
    sink = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def mask(top=5, left=5, side=9):
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[top : top + side, left : left + side] = 255
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def ledger(output):
    tables = [
        pq.read_table(io.BytesIO(read_bytes(join(output, "ledger", n)))) for n, _ in list_files(join(output, "ledger"))
    ]
    rows = [row for table in tables for row in table.to_pylist()]
    assert len({row["key"] for row in rows}) == len(rows)
    return {row["key"]: row for row in rows}


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.fixture(params=["local", "s3"])
def job(request, ray_local, tmp_path, tiny_weights):
    root = str(tmp_path) if request.param == "local" else request.getfixturevalue("bucket")
    return Options(input=f"{root}/in", masks=f"{root}/masks", output=f"{root}/out", weights=tiny_weights)


def test_a_run_that_goes_on_brings_the_ledger_up_to_date(job, capfd):
    for name, data in {
        "a.png": png(0),
        "zero.png": b"",
        "other.png": png(1),
        "goes.png": png(2),
        "stays.png": png(3),
    }.items():
        write_bytes(f"{job.input}/{name}", data)
        write_bytes(f"{job.masks}/{name}", mask())
    assert restore(job) == {"restored": 4, "skipped": 1}
    first = ledger(job.output)
    # One is repaired, one is another picture, one has another mask, one is gone, one is as it was, one is new.
    write_bytes(f"{job.input}/zero.png", png(4))
    write_bytes(f"{job.input}/a.png", png(5))
    write_bytes(f"{job.masks}/other.png", mask(12, 12, 10))
    delete(f"{job.input}/goes.png")
    write_bytes(f"{job.input}/new.png", png(6))
    write_bytes(f"{job.masks}/new.png", mask())
    assert restore(job) == {"restored": 5, "gone": 1}
    assert "3 changed: done again; 1 gone: their rows stay" in capfd.readouterr().out
    second = ledger(job.output)
    assert second["stays.png"] == first["stays.png"]
    assert second["goes.png"] == first["goes.png"] | {"gone": True, "reason": "the input is no longer there"}
    assert not any(second[key]["gone"] for key in second if key != "goes.png")
    hole = pixels(mask(12, 12, 10)) > 0
    changed = (pixels(read_bytes(f"{job.output}/other.png")) != pixels(png(1))).any(-1)
    assert not (changed & ~hole).any()
    assert changed[hole].mean() > 0.9
    for key, seed in {"a.png": 5, "zero.png": 4}.items():
        outside = pixels(mask()) == 0
        assert np.array_equal(pixels(read_bytes(f"{job.output}/{key}"))[outside], pixels(png(seed))[outside])
    # And back again, as it was: nothing is done twice.
    write_bytes(f"{job.input}/goes.png", png(2))
    assert restore(job) == {"restored": 6}
    third = ledger(job.output)["goes.png"]
    assert {**third, "input_stamp": None} == {**first["goes.png"], "input_stamp": None}


def test_an_output_whose_input_is_no_picture_any_more_goes(job):
    write_bytes(f"{job.input}/a.png", png(0))
    write_bytes(f"{job.masks}/a.png", mask())
    assert restore(job) == {"restored": 1}
    write_bytes(f"{job.input}/a.png", b"overwritten")
    assert restore(job) == {"skipped": 1}
    assert ledger(job.output)["a.png"]["output"] is None
    assert "a.png" not in {name for name, _ in list_files(job.output)}


def test_a_new_date_alone_costs_nothing(job, tmp_path):
    if job.input.startswith("s3://"):
        pytest.skip("an object has no date of its own")
    write_bytes(f"{job.input}/a.png", png(0))
    write_bytes(f"{job.masks}/a.png", mask())
    restore(job)
    before = ledger(job.output)["a.png"]
    os.utime(f"{job.input}/a.png", ns=(1, 1))
    assert restore(job) == {"restored": 1}
    after = ledger(job.output)["a.png"]
    assert after["seconds"] == before["seconds"]  # it was not done again
    assert after["input_stamp"] != before["input_stamp"]


def test_pictures_of_parquet_are_replaced_in_their_files(ray_local, tmp_path, tiny_weights):
    def write(seeds):
        pq.write_table(
            pa.table({"key": list(seeds), "image": [png(seed) for seed in seeds.values()]}), tmp_path / "in.parquet"
        )

    write({"a": 0, "b": 1, "c": 2})
    output = tmp_path / "out"
    job = Options(input=str(tmp_path / "in.parquet"), masks="squares", output=str(output), weights=tiny_weights)
    assert restore(job) == {"restored": 3}
    before = {row["key"]: row["image"] for path in output.glob("restored-*") for row in pq.read_table(path).to_pylist()}
    write({"a": 0, "b": 9})
    assert restore(job) == {"restored": 2, "gone": 1}
    rows = [row for path in output.glob("restored-*") for row in pq.read_table(path).to_pylist()]
    assert sorted(row["key"] for row in rows) == ["a", "b", "c"]
    after = {row["key"]: row["image"] for row in rows}
    assert (after["a"] == before["a"], after["b"] == before["b"], after["c"] == before["c"]) == (True, False, True)
    assert {row["output"] for row in ledger(str(output)).values()} == {path.name for path in output.glob("restored-*")}


@pytest.fixture
def here(tmp_path, tiny_weights):
    """A job of this process, of one picture in a folder."""
    write_bytes(str(tmp_path / "in/sub/\u00e9.png"), png(0))
    places = {name: str(tmp_path / name) for name in ("masks", "out")}
    return Options(
        input=str(tmp_path / "in"), masks=places["masks"], output=places["out"], weights=tiny_weights, workers=0
    )


def filled(job, key="sub/\u00e9.png"):
    """Rows and columns that a restoration changed: top, bottom, left, right."""
    changed = (pixels(read_bytes(join(job.output, key))) != pixels(read_bytes(join(job.input, key)))).any(-1)
    y, x = np.nonzero(changed)
    return y.min(), y.max(), x.min(), x.max()


def test_a_rewritten_parquet_of_masks_is_read_anew(here, tmp_path):
    """In one process too, as in a notebook; its key is in the other Unicode form than the picture's."""
    job = replace(here, masks=str(tmp_path / "masks.parquet"), grow_holes=0)
    key = unicodedata.normalize("NFD", "sub/\u00e9.png")
    for top, done_again in ((2, True), (15, True), (15, False)):
        pq.write_table(pa.table({"key": [key], "mask": [mask(top, 4, 9)]}), tmp_path / "masks.parquet")
        before = ledger(job.output)["sub/\u00e9.png"]["seconds"] if (tmp_path / "out").exists() else None
        assert restore(job) == {"restored": 1}
        assert filled(job) == (top, top + 8, 4, 12)
        assert (ledger(job.output)["sub/\u00e9.png"]["seconds"] != before) == done_again


def test_a_mask_behind_a_link_is_another_only_when_it_changes(here, tmp_path):
    write_bytes(str(tmp_path / "elsewhere/\u00e9.png"), mask(2, 4, 9))
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/sub").symlink_to(tmp_path / "elsewhere")
    job = replace(here, grow_holes=0)
    restore(job)
    before = ledger(job.output)
    restore(job)
    assert ledger(job.output) == before
    write_bytes(str(tmp_path / "elsewhere/\u00e9.png"), mask(15, 4, 9))
    restore(job)
    assert filled(job) == (15, 23, 4, 12)


def test_a_picture_left_alone_is_restored_once_a_person_marks_it(here, tmp_path):
    """``masks`` of a detection: it had proposed nothing."""
    write_bytes(str(tmp_path / "proposed/proposals/part-000000.parquet"), b"its table")
    write_bytes(str(tmp_path / "proposed/masks/other.png.png"), mask())
    job = replace(here, masks=str(tmp_path / "proposed/masks"), grow_holes=0)
    assert restore(job) == restore(job) == {"skipped": 1}
    write_bytes(str(tmp_path / "proposed/masks/sub/\u00e9.png.png"), mask(2, 4, 9))
    assert restore(job) == {"restored": 1}
    assert filled(job) == (2, 10, 4, 12)
    delete(str(tmp_path / "proposed/masks/sub/\u00e9.png.png"))
    assert restore(job) == {"skipped": 1}


def test_a_ledger_of_an_older_version_is_read(job):
    write_bytes(f"{job.input}/a.png", png(0))
    write_bytes(f"{job.masks}/a.png", mask())
    restore(job)
    (name,) = (name for name, _ in list_files(f"{job.output}/ledger"))
    table = pq.read_table(io.BytesIO(read_bytes(f"{job.output}/ledger/{name}")))
    sink = io.BytesIO()
    pq.write_table(table.drop_columns(["hole_grown", "input_stamp", "mask_stamp", "gone"]), sink)
    write_bytes(f"{job.output}/ledger/{name}", sink.getvalue())
    assert restore(job) == {"restored": 1}
    assert ledger(job.output)["a.png"]["input_stamp"]
