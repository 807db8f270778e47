"""One run at a time, on disk and on S3: a living run keeps its output, a dead one does not."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from faceinpaint.errors import InputError
from faceinpaint.inference import lock as module
from faceinpaint.inference.lock import LOCK, run_lock
from faceinpaint.storage import exists, join, s3_client


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT", 0.3)


@pytest.fixture(params=["disk", "s3"])
def output(request, tmp_path):
    return str(tmp_path / "out") if request.param == "disk" else join(request.getfixturevalue("bucket"), "out")


def test_a_living_run_is_not_disturbed(output):
    with run_lock(output), pytest.raises(InputError, match="another run works on it"), run_lock(output):
        pass
    with run_lock(output):  # it ended: the next may go on
        assert exists(join(output, LOCK))


def test_a_killed_run_is_succeeded(output):
    code = (
        "import time; from faceinpaint.inference.lock import run_lock\n"
        f"with run_lock({output!r}): print(1, flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"1\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with run_lock(output):
        assert exists(join(output, LOCK))


def test_storage_that_fails_for_a_while_does_not_cost_the_lock(bucket, s3_server):
    output = join(bucket, "out")
    with run_lock(output):
        s3_server.fail("503", times=3, method="PUT")
        time.sleep(1.5)
        with pytest.raises(InputError, match="another run works on it"), run_lock(output):
            pass


def test_a_run_that_lost_its_lock_is_interrupted(bucket, monkeypatch):
    output, told = join(bucket, "out"), []
    monkeypatch.setattr(module._thread, "interrupt_main", lambda: told.append(True))
    with run_lock(output):
        thief = module._S3Lock(output)
        thief._put()
        deadline = time.monotonic() + 10
        while not told:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert thief._is_mine()  # and it leaves the other's lock alone


@pytest.mark.parametrize("moment", ["before the look", "during the wait"])
def test_a_lock_that_is_given_back_meanwhile_is_taken(bucket, monkeypatch, moment):
    output = join(bucket, "out")
    first, second = module._S3Lock(output), module._S3Lock(output)
    first.take()
    release = lambda *_: s3_client().delete_object(**first.place)  # noqa: E731
    with monkeypatch.context() as patch:
        if moment == "during the wait":
            patch.setattr(module, "time", SimpleNamespace(sleep=release, time=time.time))
        else:
            seen = second._seen
            patch.setattr(second, "_seen", lambda: release() and seen())
        second.take()
    assert second._is_mine()
