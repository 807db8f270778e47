"""Training on Ray while processes die, storage fails and losses explode: the run ends as if nothing had happened."""

import os
import signal
import subprocess
import time

import pytest

from faceinpaint.storage import list_files
from tests.processes import processes_of
from tests.train_job import assert_same_state, command, run

pytestmark = pytest.mark.slow

STEPS = ("--steps", "6", "--checkpoint-every", "2", "--workers", "2")


def start(faces_parquet, output, folder, *more):
    arguments = command(faces_parquet, output, "texture", *STEPS, *more)
    with (folder / "log.txt").open("a") as log:
        return subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def start_and_wait(faces_parquet, output):
    """A run that has written its first checkpoint and has not ended."""
    process = start(faces_parquet, output, output.parent)
    note = output / "runs" / "texture" / "checkpoints" / "step-00000002.json"
    deadline = time.monotonic() + 200
    while not note.exists():
        assert process.poll() is None, (output.parent / "log.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def finish(process, folder):
    assert process.wait(timeout=280) == 0, (folder / "log.txt").read_text()


@pytest.fixture(scope="module")
def undisturbed(faces_parquet, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    finish(start(faces_parquet, output, output.parent), output.parent)
    return output


def test_a_worker_killed_in_mid_run_is_replaced_and_nothing_differs(faces_parquet, undisturbed, tmp_path):
    output = tmp_path / "out"
    process = start_and_wait(faces_parquet, output)
    workers = processes_of(process.pid, b"ray::RayTrainWorker")
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    finish(process, tmp_path)
    assert_same_state(undisturbed, output, "texture")


def test_a_killed_driver_started_again_changes_nothing(faces_parquet, undisturbed, tmp_path):
    output = tmp_path / "out"
    process = start_and_wait(faces_parquet, output)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finish(start(faces_parquet, output, tmp_path), tmp_path)
    assert_same_state(undisturbed, output, "texture")


def test_storage_that_fails_for_a_while_costs_nothing(faces_parquet, bucket, s3_server, tmp_path):
    output = f"{bucket}/run"
    process = start(faces_parquet, output, tmp_path, "--workers", "0")
    spoilt = s3_server.spoilt
    for fault in ("503", "500", "timeout"):
        s3_server.fail(fault, times=3)
    finish(process, tmp_path)
    assert s3_server.spoilt == spoilt + 9
    files = dict(list_files(output))
    assert "texture.safetensors" in files
    assert "runs/texture/checkpoints/step-00000006.json" in files


def test_a_run_that_diverges_stops_with_its_last_good_checkpoint(faces_parquet, tmp_path):
    done = run(faces_parquet, tmp_path, "texture", *STEPS, "--set", "train.texture.lr=1e30")
    assert done.returncode == 1
    assert "diverged: step" in done.stderr
    assert "keys of the batch: face" in done.stderr
    assert "last good checkpoint: " in done.stderr
