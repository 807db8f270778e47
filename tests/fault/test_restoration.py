"""Bulk restoration while its processes are killed: nothing is lost, nothing is done twice, nothing differs."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.processes import processes_of

JOB = Path(__file__).parents[2] / "jobs" / "batch_inpaint.py"
COUNT = 160
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
    command += ["--weights", weights, "--cpus-per-worker", "1"]
    with (output.parent / "log.txt").open("a") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment}, start_new_session=True
        )


def finished(process):
    assert process.wait(timeout=240) == 0


def pictures(output):
    return {path.name: path.read_bytes() for path in output.glob("*.png")}


def ledger(output):
    """Every row but for what a clock decides, in order; raises for a key that is there twice."""
    rows = pa.concat_tables([pq.read_table(path) for path in (output / "ledger").glob("*.parquet")])
    rows = rows.drop_columns(["seconds"]).sort_by("key").to_pylist()
    assert len({row["key"] for row in rows}) == len(rows)
    return rows


@pytest.fixture(scope="module")
def undisturbed(archive, tiny_weights, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    finished(start(archive, output, tiny_weights))
    assert len(ledger(output)) == COUNT + 1
    return output


@pytest.mark.timeout(400)
def test_a_killed_driver_and_killed_workers_change_nothing(archive, undisturbed, tiny_weights, tmp_path):
    output = tmp_path / "out"
    chance = random.Random(0)
    for how in (signal.SIGKILL, signal.SIGTERM):
        kill_driver(start(archive, output, tiny_weights), output, how, more_than=chance.randrange(5, 60))
    process = start(archive, output, tiny_weights)
    until(lambda: workers_of(process.pid))
    for pid in workers_of(process.pid)[:2]:
        os.kill(pid, signal.SIGKILL)
    finished(process)
    assert pictures(output) == pictures(undisturbed)
    assert ledger(output) == ledger(undisturbed)


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


def kill_driver(process, output, how, more_than):
    until(lambda: len(pictures(output)) > more_than or process.poll() is not None)
    os.kill(process.pid, how)
    assert process.wait() != 0


def until(happened, seconds=120):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def workers_of(driver):
    """Processes of the driver's Ray that are at a task of the pipeline."""
    return processes_of(driver, b"ray::MapBatches", b"ray::MapWorker")
