"""Few pictures in this process, without Ray: the same rows and bytes as on Ray."""

import errno
import hashlib
import io
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import faceinpaint
from faceinpaint import Options, restore
from faceinpaint.data.mask_spec import Alpha
from faceinpaint.data.places import FEW, works_here
from faceinpaint.errors import JobError
from faceinpaint.inference import quarantine
from faceinpaint.inference.here import Here
from faceinpaint.inference.options import note_links
from faceinpaint.inference.travel import Settings, unpack
from faceinpaint.inference.way import MODEL_BATCH
from faceinpaint.storage import join, list_files, read_bytes
from tests.fault.test_restoration import CRASHING_DECODER
from tests.green import with_green_detector
from tests.inference.test_restore import ledger, mask, png

WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
from faceinpaint.commands import main
main("restore")
"""


def write(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """(pictures, masks): more than a batch, some in trouble, one without a face, one as JPEG."""
    root = tmp_path_factory.mktemp("few")
    pictures = {f"deep/{i}.png": png(i) for i in range(11)}
    masks = {f"deep/{i}.png": mask(i, 3, 9) for i in range(11)}
    sink = io.BytesIO()
    Image.open(io.BytesIO(png(20, (80, 120)))).save(sink, "JPEG")
    pictures |= {"large.jpg": sink.getvalue(), "note.txt": b"no picture", "nomask.png": png(1)}
    masks["large.jpg.png"] = mask(20, 30, 12, (80, 120))
    write(root / "pictures", pictures)
    write(root / "masks", masks)
    return str(root / "pictures"), str(root / "masks")


def outcome(output):
    """What a run left: its rows, but for the seconds, and every file that is not the report's."""
    rows = {key: {k: v for k, v in row.items() if k != "seconds"} for key, row in ledger(output).items()}
    skipped = ("ledger", "_job", "report", "ledger.csv")
    files = {name: read_bytes(join(output, name)) for name, _ in list_files(output) if not name.startswith(skipped)}
    return rows, files


@pytest.mark.parametrize("kind", ["tree", "parquet"])
def test_this_process_and_ray_give_the_same_rows_and_bytes(kind, few, tiny_weights, ray_local, tmp_path):
    pictures, masks = few
    if kind == "parquet":
        names = sorted(name for name, _ in list_files(pictures))
        table = pa.table({"key": names, "image": [read_bytes(join(pictures, name)) for name in names]})
        pq.write_table(table, tmp_path / "pictures.parquet")
        pictures = str(tmp_path / "pictures.parquet")
    common = {"input": pictures, "masks": masks, "weights": tiny_weights}
    counts = restore(output=str(tmp_path / "here"), workers=0, **common)
    assert counts == restore(output=str(tmp_path / "ray"), workers=1, **common)
    here, ray = outcome(str(tmp_path / "here")), outcome(str(tmp_path / "ray"))
    assert here[0] == ray[0]
    assert here[1] == ray[1]
    assert (counts["failed"], counts["skipped"], sum(counts.values())) == (1, 1, 14)
    assert here[1]


@pytest.mark.parametrize(("pictures", "batch"), [(FEW, 1), (FEW + 1, MODEL_BATCH)])
def test_few_pictures_are_painted_one_by_one_wherever_they_are(pictures, batch, tiny_weights, tmp_path, monkeypatch):
    picture = png(0)
    for folder in ("in", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(pictures):
        (tmp_path / "in" / f"{i}.png").write_bytes(picture)
    made = []
    monkeypatch.setattr("faceinpaint.inference.here.Painter", lambda *_, **given: made.append(given["batch"]))
    job = {"input": str(tmp_path / "in"), "masks": str(tmp_path / "masks"), "output": str(tmp_path / "out")}
    restore(**job, weights=tiny_weights, workers=0, dry_run=True)
    assert made == [batch]


def run_without_ray(options, **environment):
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-c", WITHOUT_RAY, *flags]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=240)


def test_rows_with_one_key_are_all_restored_and_rows_without_are_told(tiny_weights, tmp_path, capsys):
    """And the next run has nothing left to do."""
    keys = ["a", "b", None, "a", "b"]
    table = pa.table({"key": pa.array(keys, pa.string()), "image": [png(i) for i in range(5)]})
    pq.write_table(table, tmp_path / "in.parquet")
    options = Options(
        input=str(tmp_path / "in.parquet"), masks="squares:8", output=str(tmp_path / "out"), weights=tiny_weights,
        workers=0,
    )  # fmt: skip
    counts = restore(options)
    assert "in.parquet: 2 row(s) with the key of an earlier row" in capsys.readouterr().out
    assert counts["failed"] == 1
    rows = ledger(str(tmp_path / "out"))
    assert set(rows) == {"a", "b", "a#2", "b#2", "in.parquet row 2"}
    assert rows["in.parquet row 2"]["status"] == "failed"
    assert rows["in.parquet row 2"]["reason"] == "its key is null: give each row a key of its own"
    (written,) = (tmp_path / "out").glob("restored-*.parquet")
    assert sorted(pq.read_table(written)["key"].to_pylist()) == ["a", "a#2", "b", "b#2"]
    inputs = dict(zip(["a", "b", "", "a#2", "b#2"], table["image"].to_pylist(), strict=True))
    assert all(rows[key]["input_sha256"] == hashlib.sha256(inputs[key]).hexdigest() for key in ("a", "b", "a#2", "b#2"))
    assert restore(options) == counts
    assert ledger(str(tmp_path / "out")) == rows


def test_a_full_disk_ends_the_run_and_fails_no_picture(few, tiny_weights, tmp_path, monkeypatch):
    """The same command goes on once there is room, with the outcome of a run that was never stopped."""
    written, fsync = [], os.fsync

    def filling(handle):
        written.append(handle)
        if len(written) > 16:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    options = {"input": few[0], "masks": few[1], "weights": tiny_weights, "workers": 0}
    counts = restore(output=str(tmp_path / "whole"), **options)
    monkeypatch.setattr(os, "fsync", filling)
    with pytest.raises(JobError, match="cannot be written: No space left"):
        restore(output=str(tmp_path / "out"), **options)
    monkeypatch.undo()
    assert restore(output=str(tmp_path / "out"), **options) == counts
    assert outcome(str(tmp_path / "out")) == outcome(str(tmp_path / "whole"))


def test_links_of_any_name_are_told(tmp_path):
    (tmp_path / "in").mkdir()
    os.symlink(tmp_path, os.fsencode(tmp_path / "in") + b"/caf\xe9")
    note = note_links(str(tmp_path / "in"))
    assert note is not None
    assert "caf\\xe9" in note.encode().decode()


def test_paths_of_pathlib_are_paths(few, tiny_weights, tmp_path):
    places = {"input": few[0], "masks": few[1], "output": str(tmp_path / "out"), "weights": tiny_weights}
    as_paths = Options(**{name: Path(place) for name, place in places.items()})  # type: ignore[arg-type]
    assert as_paths.with_full_paths() == Options(**places).with_full_paths()
    assert restore(as_paths, workers=0, dry_run=True)["restored"] == 11


@pytest.mark.slow
def test_a_machine_without_ray_restores_and_goes_on(few, tiny_weights, tmp_path):
    output = str(tmp_path / "out")
    options = {"input": few[0], "masks": few[1], "weights": tiny_weights, "output": output}
    done = run_without_ray(options)
    assert done.returncode == 0, done.stderr
    assert "14 inputs:" in done.stdout
    before = ledger(output)
    again = run_without_ray(options)
    assert again.returncode == 0, again.stderr
    assert ledger(output) == before


@pytest.mark.slow
@pytest.mark.parametrize("masks", ["squares", "detect"])
def test_a_picture_that_kills_the_process_costs_its_row_in_the_next_run(masks, tiny_weights, tmp_path):
    for i in range(3):
        write(tmp_path / "in", {f"{i}.png": png(i)})
    write(tmp_path / "in", {"1x.png": png(7) + b"deadly"})
    write(tmp_path / "python", {"sitecustomize.py": CRASHING_DECODER.encode()})
    paths = os.pathsep.join([str(tmp_path / "python"), os.environ.get("PYTHONPATH", "")])
    output = str(tmp_path / "out")
    weights = tiny_weights if masks == "squares" else with_green_detector(tiny_weights, tmp_path / "weights")
    options = {"input": str(tmp_path / "in"), "masks": masks, "weights": weights, "output": output}
    assert run_without_ray(options, PYTHONPATH=paths).returncode < 0
    done = run_without_ray(options, PYTHONPATH=paths)
    assert done.returncode == 0, done.stderr
    rows = ledger(output)
    assert rows["1x.png"]["status"] == "failed"
    assert "quarantined" in rows["1x.png"]["reason"]
    assert [rows[f"{i}.png"]["status"] != "failed" for i in range(3)] == [True] * 3


def test_a_quarantined_row_knows_its_input(monkeypatch):
    """Else a Parquet, whose rows have no stamp, would bring the picture back in every run that goes on."""

    def dies(*given):
        raise BrokenProcessPool

    monkeypatch.setattr(quarantine, "spawned_pool", lambda: SimpleNamespace(submit=dies, shutdown=lambda: None))
    settings = Settings(output="", masks=Alpha(), image_size=32, alignment="celeba")
    batch = {name: np.array([value], object) for name, value in (("key", "a"), ("image", b"data"))}
    batch |= {name: np.array([None], object) for name in ("error", "stamp")}
    (examined,) = unpack(quarantine.examine_apart(batch, settings)["work"])
    assert (examined.row.status, examined.row.input_sha256) == ("failed", hashlib.sha256(b"data").hexdigest())


def test_a_script_that_starts_anew_in_its_processes_is_told_so_and_no_picture_is_blamed(tmp_path):
    """Each process runs the script first, which starts one more: all of them die."""
    call = "from faceinpaint.inference.quarantine import spawned_pool\nspawned_pool()\n"
    write(tmp_path, {"script.py": call.encode()})
    places = {**os.environ, "PYTHONPATH": str(Path(faceinpaint.__file__).parents[1])}
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=places, timeout=240)
    assert done.returncode == 1
    assert "JobError: no process can be started" in done.stderr


@pytest.mark.parametrize("what", ["comes", "goes"])
def test_inputs_that_come_or_go_meanwhile_are_the_next_run_s(what, tiny_weights, tmp_path, monkeypatch):
    write(tmp_path / "in", {f"{i}.png": png(i) for i in range(3)})
    job = Options(input=str(tmp_path / "in"), masks="squares", output=str(tmp_path / "out"), weights=tiny_weights)
    stream = Here.stream

    def disturbed(self, done, apart=False):
        for finished in stream(self, done, apart):
            if what == "comes":
                write(tmp_path / "in", {"late.png": png(9)})
            else:
                (tmp_path / "in/1.png").unlink()
            yield finished

    with monkeypatch.context() as patch:
        patch.setattr(Here, "stream", disturbed)
        assert restore(job, workers=0) == {"restored": 3}
    assert restore(job, workers=0) == ({"restored": 4} if what == "comes" else {"restored": 2, "gone": 1})


def test_what_the_detector_could_not_look_at_has_failed(tiny_weights, tmp_path, monkeypatch):
    def broken(*found):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("faceinpaint.inference.finder.found_in", broken)
    write(tmp_path / "in", {"a.png": png(0)})
    weights = with_green_detector(tiny_weights, tmp_path / "weights")
    job = Options(input=str(tmp_path / "in"), masks="detect", output=str(tmp_path / "out"), weights=weights)
    assert restore(job, workers=0) == {"failed": 1}
    assert ledger(job.output)["a.png"]["reason"] == "RuntimeError: out of memory"


def test_where_a_mask_cannot_be_kept_no_picture_stands(tiny_weights, tmp_path):
    name = "n" * 248 + ".png"  # the mask's would be longer than file systems have
    write(tmp_path / "in", {name: png(0)})
    job = Options(input=str(tmp_path / "in"), masks="squares", output=str(tmp_path / "out"), weights=tiny_weights)
    assert restore(job, workers=0, keep_masks=True) == {"failed": 1}
    assert ledger(job.output)[name]["output"] is None
    assert not (tmp_path / "out" / name).exists()


def test_a_dry_run_outlives_a_worker_too(tiny_weights, tmp_path, monkeypatch):
    class CrashError(Exception):
        pass

    stream = Here.stream

    def dies_once(self, done, apart=False):
        yield from stream(self, done, apart)
        if not apart:
            raise CrashError

    monkeypatch.setattr(Here, "stream", dies_once)
    monkeypatch.setattr(Here, "crashes", (CrashError,))
    write(tmp_path / "in", {"a.png": png(0)})
    job = Options(input=str(tmp_path / "in"), masks="squares", output=str(tmp_path / "out"), weights=tiny_weights)
    assert restore(job, workers=0, dry_run=True) == {"restored": 1}


def test_ray_is_used_where_it_is_or_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    write(tmp_path / "few", {f"{i}.png": b"" for i in range(FEW)})
    write(tmp_path / "many", {f"{i}.png": b"" for i in range(FEW + 1)})
    few, many = str(tmp_path / "few"), str(tmp_path / "many")
    assert works_here(few)
    assert not works_here(many)
    assert works_here(many, workers=0)
    assert not works_here(few, workers=1)
    assert not works_here(few, gpus_per_worker=1)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert not works_here(few)
    assert works_here(few, workers=0)
