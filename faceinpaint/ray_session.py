"""Joining the Ray cluster a job runs in, or starting a local one."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from faceinpaint.errors import JobError
from faceinpaint.stderr import caught, printed
from faceinpaint.storage import first_line

# Two model processes take a CPU each: with two in all, the tasks that feed them would wait for ever.
LEAST_LOGICAL_CPUS = 4
STARTS = 2
PATIENCE = 10  # seconds, for a cluster to answer
LEVEL_LINE = b"Set ray log level from environment variable"


def connect() -> None:
    """Join the cluster named by ``RAY_ADDRESS`` (set inside ``ray job submit``), else start Ray on this machine.

    A local Ray gets at least four logical CPUs and keeps its dashboard off; it listens on loopback only (see
    ``faceinpaint/__init__.py``). Raises :class:`JobError` when it cannot start.
    """
    if ray.is_initialized():
        return
    # Token authentication is Ray's default now, and the right one: nothing to warn of.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    # A killed driver's autoscaling reservation must not starve the next run on a long-lived head.
    os.environ.setdefault("RAY_DATA_AUTOSCALING_REQUEST_EXPIRE_TIME_S", "20")
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _check_reachable(address)
    for attempt in range(STARTS):
        try:
            with _quiet_core():
                _start(address)
            break
        except Exception as error:  # of many classes: wrong addresses, full disks, processes that die at once
            ray.shutdown()
            # Ray waits for its own processes for half a minute, which a very busy machine needs: once more, then.
            if attempt == STARTS - 1 or "timed out" not in str(error):
                raise JobError(f"Ray could not start: {first_line(error)}; {_advice(address)}") from None
    quiet_ray_data()


def _start(address: str | None) -> None:
    if address:
        ray.init(address="auto", logging_level=logging.WARNING, log_to_driver=True)
        return
    ray.init(
        address="local",  # never a cluster that happens to run on this machine
        num_cpus=max(LEAST_LOGICAL_CPUS, os.cpu_count() or 1),
        include_dashboard=False,
        logging_level=logging.WARNING,
    )


def _check_reachable(address: str) -> None:
    """Raises :class:`JobError` at once where Ray would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():  # "auto"
        return
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise JobError(f"Ray could not start: nothing answers: {first_line(error)}; {_advice(address)}") from None


@contextmanager
def _quiet_core() -> Iterator[None]:
    """While Ray starts: keep its C++ from printing what its log files hold.

    On each good run it would print an error, "actor restart will fail". putenv changes what C++ reads, and not
    os.environ: Ray's other processes log as they would. That the level was set is a line too; it is taken out.
    """
    if "RAY_BACKEND_LOG_LEVEL" in os.environ:
        yield
        return
    os.putenv("RAY_BACKEND_LOG_LEVEL", "fatal")
    lines: list[bytes] = []
    try:
        with caught() as lines:
            yield
    finally:
        printed([line for line in lines if LEVEL_LINE not in line])


def _advice(address: str | None) -> str:
    """What to do when Ray does not start."""
    if address:
        return f"is the cluster of RAY_ADDRESS={address} up? Without RAY_ADDRESS the job runs on this machine alone"
    place = os.environ.get("RAY_TMPDIR", "/tmp")
    return f"see that {place} (or another RAY_TMPDIR) and /dev/shm have room and can be written, and that CPUs are free"


def disconnect() -> None:
    """Leave Ray at once: at the interpreter's exit it would first sleep half a second for workers' last lines."""
    ray.shutdown()


def quiet_ray_data() -> None:
    """Leave the terminal to the job's own progress line."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # says that they are off
    # Few pictures leave some of the model's processes without work: nothing to warn of.
    warnings.filterwarnings("ignore", message="The minimum number of concurrent actors", category=UserWarning)
