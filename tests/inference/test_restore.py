"""Bulk restoration on a real local Ray: every input has one row, and nothing outside a hole changes."""

import io
import zipfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from faceinpaint import Options, restore
from faceinpaint.errors import InputError
from faceinpaint.inference.lock import run_lock
from faceinpaint.inference.row import ROW
from faceinpaint.storage import join, list_files, read_bytes, write_bytes

pytestmark = pytest.mark.slow

SIDE = 32  # of preset tiny


def png(seed, size=(SIDE, SIDE)):
    sink = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def mask(top, left, side, size=(SIDE, SIDE)):
    pixels = np.zeros(size, np.uint8)
    pixels[top : top + side, left : left + side] = 255
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def ledger(output):
    names = [name for name, _ in list_files(join(output, "ledger"))]
    tables = [pq.read_table(io.BytesIO(read_bytes(join(output, "ledger", name)))) for name in names]
    return {row["key"]: row for table in tables for row in table.to_pylist()}


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """(pictures, masks): aligned ones, a large one without a face, and everything that goes wrong."""
    root = tmp_path_factory.mktemp("archive")
    pictures, masks = root / "pictures", root / "masks"
    (pictures / "deep/er").mkdir(parents=True)
    (masks / "deep/er").mkdir(parents=True)
    for i in range(5):
        (pictures / f"deep/er/{i}.png").write_bytes(png(i))
        (masks / f"deep/er/{i}.png").write_bytes(mask(i, 3, 9))
    (pictures / "large.png").write_bytes(png(9, (80, 120)))
    (masks / "large.png.png").write_bytes(mask(20, 30, 12, (80, 120)))
    for name, data, hole in [
        ("note.txt", b"no picture", None),
        ("cut.png", png(1)[:500], mask(0, 0, 5)),
        ("nomask.png", png(2), None),
        ("empty-mask.png", png(3), mask(0, 0, 0)),
        ("inverted.png", png(4), mask(0, 0, 31)),
        ("wrong-size.png", png(5), mask(0, 0, 5, (20, 20))),
        ("ledger.png", png(6), mask(5, 5, 5)),
        ("line\nbreak.png", png(7), mask(5, 5, 5)),
    ]:
        (pictures / name).write_bytes(data)
        if hole:
            (masks / f"{name}.png").write_bytes(hole)
    return str(pictures), str(masks)


@pytest.fixture(scope="module")
def options(archive, tiny_weights):
    pictures, masks = archive
    return Options(input=pictures, masks=masks, output="", weights=tiny_weights, cpus_per_worker=1)


@pytest.fixture(scope="module")
def done(ray_local, options, tmp_path_factory):
    """The options of a finished run."""
    finished = replace(options, output=str(tmp_path_factory.mktemp("done") / "out"))
    restore(finished)
    return finished


def test_every_input_has_one_row_with_its_reason(done):
    rows = ledger(done.output)
    assert Counter(row["status"] for row in rows.values()) == {
        "restored": 7,
        "restored-fallback": 1,
        "skipped": 1,
        "failed": 5,
    }
    reasons = {key: row["reason"] for key, row in rows.items()}
    assert "not a picture" in reasons["note.txt"]
    assert "not a readable picture" in reasons["cut.png"]
    assert "no mask" in reasons["nomask.png"]
    assert "empty mask" in reasons["empty-mask.png"]
    assert "inverted" in reasons["inverted.png"]
    assert "20x20" in reasons["wrong-size.png"]
    assert "no face" in reasons["large.png"]
    assert set(next(iter(rows.values()))) == set(ROW.names)


def test_outputs_are_the_inputs_outside_the_hole(done, archive):
    pictures, masks = archive
    for key, row in ledger(done.output).items():
        if not row["status"].startswith("restored"):
            assert row["output"] is None
            continue
        before, after = pixels(read_bytes(join(pictures, key))), pixels(read_bytes(join(done.output, row["output"])))
        name = f"{key}.png" if not key.startswith("deep") else key
        hole = pixels(read_bytes(join(masks, name))) > 0
        assert np.array_equal(before[~hole], after[~hole])
        assert not np.array_equal(before[hole], after[hole])
        assert row["hole_ratio"] == pytest.approx(hole.mean())
    assert "Restoration" in read_bytes(join(done.output, "report.html")).decode()


def test_a_second_run_does_only_what_is_missing(done, tmp_path):
    before = {name: read_bytes(join(done.output, name)) for name, _ in list_files(done.output) if "_job" not in name}
    counts = restore(done)
    after = {name: read_bytes(join(done.output, name)) for name, _ in list_files(done.output) if "_job" not in name}
    assert sum(counts.values()) == 14
    assert {n: d for n, d in before.items() if n != "report.html"} == {
        n: d for n, d in after.items() if n != "report.html"
    }


def test_results_do_not_depend_on_company_or_container(done, options, tmp_path, bucket):
    """The same pictures out of a zip, on S3, in another order: byte for byte the same files."""
    pictures = done.input
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("large.png", "deep/er/3.png", "./deep/er/0.png"):
            archive.writestr(name, read_bytes(join(pictures, name)))
        for name in ("../out.png", "x/../../out.png", "./ledger/part-000000.parquet"):
            archive.writestr(name, png(0))
    restore(replace(options, input=str(tmp_path / "a.zip"), output=join(bucket, "out")))
    rows = ledger(join(bucket, "out"))
    for hostile in ("../out.png", "../out.png#2", "ledger/part-000000.parquet"):
        assert rows.pop(hostile)["status"] == "failed"
    assert len(rows) == 3
    for key in rows:
        assert read_bytes(join(bucket, "out", key)) == read_bytes(join(done.output, key))


def test_an_output_that_cannot_be_written_is_a_failed_row_without_one(ray_local, tmp_path, tiny_weights):
    """An archive may hold ``a`` and ``a/b.png``; a folder cannot."""
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("a", png(0))
        archive.writestr("a/b.png", png(1))
    output = str(tmp_path / "out")
    job = Options(input=str(tmp_path / "in.zip"), masks="squares", output=output, weights=tiny_weights)
    assert restore(job) == {"restored": 1, "failed": 1}
    row = ledger(output)["a/b.png"]
    assert row["status"] == "failed"
    assert row["output"] is row["output_sha256"] is None


def test_failed_inputs_are_done_again_on_request(ray_local, tmp_path, tiny_weights):
    write_bytes(str(tmp_path / "in/a.png"), png(0))
    write_bytes(str(tmp_path / "in/b.png"), png(1))
    write_bytes(str(tmp_path / "masks/a.png"), mask(3, 3, 8))
    job = Options(
        input=str(tmp_path / "in"), masks=str(tmp_path / "masks"), output=str(tmp_path / "out"), weights=tiny_weights
    )
    assert restore(job) == {"restored": 1, "failed": 1}
    write_bytes(str(tmp_path / "masks/b.png"), mask(3, 3, 8))
    assert restore(job) == {"restored": 1, "failed": 1}
    assert restore(replace(job, retry_failed=True)) == {"restored": 2}


def test_parquet_in_gives_parquet_out(ray_local, tmp_path, tiny_weights):
    table = pa.table({"key": [f"../{i}" for i in range(40)], "image": [png(i) for i in range(40)]})
    pq.write_table(table, tmp_path / "in.parquet")
    output = tmp_path / "out"
    job = Options(input=str(tmp_path / "in.parquet"), masks="squares", output=str(output), weights=tiny_weights)
    assert restore(job) == {"restored": 40}
    (output / "restored-orphan.parquet").write_bytes(b"left by a killed run")
    assert restore(job) == {"restored": 40}
    rows = [row for path in output.glob("restored-*.parquet") for row in pq.read_table(path).to_pylist()]
    assert sorted(row["key"] for row in rows) == sorted(table["key"].to_pylist())
    before = dict(zip(table["key"].to_pylist(), table["image"].to_pylist(), strict=True))
    changed = [(pixels(row["image"]) != pixels(before[row["key"]])).any(-1).sum() for row in rows]
    assert 0 < min(changed) <= max(changed) <= (SIDE // 4) ** 2


def test_masks_are_not_kept_beside_rows(ray_local, tmp_path, tiny_weights):
    pq.write_table(pa.table({"key": ["a"], "image": [png(0)]}), tmp_path / "in.parquet")
    job = Options(
        input=str(tmp_path / "in.parquet"), masks="squares", output=str(tmp_path / "out"), weights=tiny_weights
    )
    with pytest.raises(InputError, match="`keep_masks`"):
        restore(replace(job, keep_masks=True))


def test_kept_masks_are_the_holes(ray_local, tmp_path, tiny_weights):
    write_bytes(str(tmp_path / "in/a.png"), png(0))
    write_bytes(str(tmp_path / "masks/a.png"), mask(3, 4, 8))
    places = {name: str(tmp_path / name) for name in ("in", "masks", "out")}
    counts = restore(
        input=places["in"], masks=places["masks"], output=places["out"], weights=tiny_weights, keep_masks=True
    )
    assert counts == {"restored": 1}
    assert np.array_equal(pixels(read_bytes(str(tmp_path / "out/masks/a.png.png"))), pixels(mask(3, 4, 8)))


def test_a_dry_run_restores_nothing(ray_local, options, tmp_path):
    restore(replace(options, output=str(tmp_path / "out"), dry_run=True))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"dry-run.html", "_job"}
    assert "would be restored" in (tmp_path / "out/dry-run.html").read_text()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"input": "absent"}, "no such file"),
        ({"weights": "absent"}, "config.yaml"),
        ({"masks": "absent.png"}, "absent.png"),
        ({"masks": "squares:99"}, "squares:99: larger than the model's picture"),
        ({"output": "INPUT/below"}, "lie in each other"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(ray_local, options, tmp_path, changes, complaint):
    job = replace(options, output=str(tmp_path / "out"))
    job = replace(job, **{name: value.replace("INPUT", job.input) for name, value in changes.items()})
    with pytest.raises(InputError, match=complaint):
        restore(job)
    assert not (tmp_path / "out").exists()


def test_another_job_or_a_living_run_keeps_its_output(done, tmp_path, bucket):
    with pytest.raises(InputError, match="another no_face"):
        restore(replace(done, no_face="skip"))
    with run_lock(done.output), pytest.raises(InputError, match="another run"):
        restore(done)
    write_bytes(str(tmp_path / "mine/letter.txt"), b"mine")
    with pytest.raises(InputError, match="not empty"):
        restore(replace(done, output=str(tmp_path / "mine")))
