"""Bulk restoration while its processes are killed: nothing is lost, nothing is done twice, nothing differs."""

import io
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from faceinpaint.inference.lock import LOCK
from faceinpaint.storage import PART, exists, join, list_files, read_bytes
from tests.processes import processes_of

pytestmark = pytest.mark.slow

JOB = Path(__file__).parents[2] / "jobs" / "batch_inpaint.py"
COUNT = 240
# Stands in for a decoder that a hostile file crashes: this one dies of a marked picture.
CRASHING_DECODER = """
import os
from PIL import Image
opened = Image.open
def open_or_die(file, *rest, **options):
    if hasattr(file, "getvalue") and b"deadly" in file.getvalue():
        os.kill(os.getpid(), 9)
    return opened(file, *rest, **options)
Image.open = open_or_die
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "in"
    folder.mkdir()
    for i in range(COUNT):
        pixels = np.random.default_rng(i).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03d}.png")
    (folder / "note.txt").write_text("no picture")
    return folder


def start(archive, output, weights, **environment):
    command = [sys.executable, str(JOB), "--input", str(archive), "--masks", "squares", "--output", str(output)]
    command += ["--weights", weights, "--workers", "2", "--cpus-per-worker", "1"]
    return subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)


def finished(process):
    assert process.wait(timeout=240) == 0


def pictures(output):
    return {path.name: path.read_bytes() for path in output.glob("*.png")}


def ledger(output):
    return rows_of((output / "ledger").glob("*.parquet"))


def rows_of(files):
    """Every row but for what a clock decides, in order; raises for a key that is there twice."""
    rows = pa.concat_tables([pq.read_table(file) for file in files])
    rows = rows.drop_columns(["seconds"]).sort_by("key").to_pylist()
    assert len({row["key"] for row in rows}) == len(rows)
    return rows


@pytest.fixture(scope="module")
def undisturbed(archive, tiny_weights, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    finished(start(archive, output, tiny_weights))
    assert len(ledger(output)) == COUNT + 1
    return output


@pytest.mark.timeout(600)
def test_ten_kills_of_workers_and_drivers_change_nothing(archive, undisturbed, tiny_weights, tmp_path):
    """Three runs that lose two workers each and then their driver, and a last one that loses a worker."""
    output = tmp_path / "out"
    chance = random.Random()  # other moments every time
    kills = 0
    for life in range(4):
        process = start(archive, output, tiny_weights)
        for _ in range(2 if life < 3 else 1):
            kills += kill_a_worker(process, chance)
        if life < 3:
            kills += kill_driver(process, output, len(pictures(output)) + chance.randrange(20), chance)
    finished(process)
    assert kills >= 7  # a run may be over before its driver's turn comes
    assert pictures(output) == pictures(undisturbed)
    assert ledger(output) == ledger(undisturbed)
    assert not list(output.rglob(f"{PART}*"))


@pytest.mark.timeout(400)
def test_a_run_on_s3_goes_on_after_a_kill_and_failing_storage(archive, undisturbed, tiny_weights, bucket, s3_server):
    output = join(bucket, "out")
    done = lambda: [name for name, _ in list_files(output) if name.endswith(".png")]  # noqa: E731
    process = start(archive, output, tiny_weights)
    until(lambda: len(done()) > 10 or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert exists(join(output, LOCK))  # the dead run still holds it
    process = start(archive, output, tiny_weights)
    s3_server.fail("503", times=8)
    s3_server.fail("timeout", times=2, method="PUT")
    finished(process)
    assert not s3_server.faults
    assert not exists(join(output, LOCK))
    assert {name: read_bytes(join(output, name)) for name in done()} == pictures(undisturbed)
    tables = [read_bytes(join(output, name)) for name, _ in list_files(output) if name.startswith("ledger/")]
    assert rows_of([io.BytesIO(table) for table in tables]) == ledger(undisturbed)


@pytest.mark.timeout(400)
def test_a_picture_that_kills_its_worker_is_quarantined(archive, tiny_weights, tmp_path):
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(CRASHING_DECODER)
    source = tmp_path / "in"
    source.mkdir()
    for name in ("000.png", "001.png"):
        (source / name).write_bytes((archive / name).read_bytes())
    (source / "bad.png").write_bytes((archive / "002.png").read_bytes() + b"deadly")
    output = tmp_path / "out"
    finished(start(source, output, tiny_weights, PYTHONPATH=str(tmp_path / "python")))
    rows = {row["key"]: row for row in ledger(output)}
    assert rows["bad.png"]["status"] == "failed"
    assert "quarantined" in rows["bad.png"]["reason"]
    assert [rows[name]["status"] for name in ("000.png", "001.png")] == ["restored"] * 2


def kill_a_worker(process, chance):
    """Kill one of the driver's workers at a random moment; returns whether one was there to kill."""
    until(lambda: workers_of(process.pid) or process.poll() is not None)
    time.sleep(chance.random())
    while workers := workers_of(process.pid):
        with suppress(ProcessLookupError):  # one may end between the look and the kill; then another is looked for
            os.kill(chance.choice(workers), signal.SIGKILL)
            return True
    return False


def kill_driver(process, output, more_than, chance):
    """Kill the driver at a random moment after it wrote some pictures; returns whether it was still alive."""
    until(lambda: len(pictures(output)) > more_than or process.poll() is not None)
    time.sleep(chance.random() / 2)
    alive = process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def until(happened, seconds=120):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def workers_of(driver):
    """Processes of the driver's Ray that are at a task of the pipeline."""
    return processes_of(driver, b"ray::MapBatches", b"ray::MapWorker")
