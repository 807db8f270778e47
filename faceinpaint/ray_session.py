"""Joining the Ray cluster a job runs in, or starting a local one."""

from __future__ import annotations

import logging
import os

import ray

# Two model processes take a CPU each: with two in all, the tasks that feed them would wait for ever.
LEAST_LOGICAL_CPUS = 4


def connect() -> None:
    """Join the cluster named by ``RAY_ADDRESS`` (set inside ``ray job submit``), else start Ray on this machine.

    A local Ray gets at least four logical CPUs and keeps its dashboard off; it listens on loopback only (see
    ``faceinpaint/__init__.py``).
    """
    if ray.is_initialized():
        return
    # Token authentication is Ray's default now, and the right one: nothing to warn of.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    # A killed driver's autoscaling reservation must not starve the next run on a long-lived head.
    os.environ.setdefault("RAY_DATA_AUTOSCALING_REQUEST_EXPIRE_TIME_S", "20")
    if os.environ.get("RAY_ADDRESS"):
        ray.init(address="auto", logging_level=logging.WARNING, log_to_driver=True)
    else:
        ray.init(
            address="local",  # never a cluster that happens to run on this machine
            num_cpus=max(LEAST_LOGICAL_CPUS, os.cpu_count() or 1),
            include_dashboard=False,
            logging_level=logging.WARNING,
        )
    quiet_ray_data()


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
