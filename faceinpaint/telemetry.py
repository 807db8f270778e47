"""What the jobs tell Prometheus, through the endpoint that every Ray node has; docs/operations.md says how to read it.

Counters of a node outlast the process that raised them. Ray puts ``ray_`` before each name and ``_total`` behind a
counter's. A process that works without Ray has no endpoint, and tells nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray.util.metrics import Counter, Gauge

COUNTERS = {
    "inputs": ("Ledger rows written by this run, by status.", "status"),
    "step_pictures": ("Pictures that went through a step of bulk restoration.", "step"),
    "step_seconds": ("Seconds that processes spent on a step of bulk restoration.", "step"),
    "requests": ("Requests that the service answered, by status code.", "code"),
    "train_pictures": ("Pictures trained on.", "stage"),
}
GAUGES = {
    "inputs_left": ("Inputs without a ledger row.", "job"),
    "train_step": ("Steps done.", "stage"),
}


def count(name: str, label: str, amount: float) -> None:
    """Raise a counter of COUNTERS; ``label``: the value of its one label."""
    if amount > 0 and _has_ray():
        _counter(name).inc(amount, {COUNTERS[name][1]: label})


def show(name: str, label: str, value: float) -> None:
    """Set a gauge of GAUGES; ``label``: the value of its one label."""
    if _has_ray():
        _gauge(name).set(value, {GAUGES[name][1]: label})


@contextmanager
def step(name: str, pictures: int) -> Iterator[None]:
    """Count the pictures and the time of a step of bulk restoration."""
    began = time.perf_counter()
    yield
    count("step_seconds", name, time.perf_counter() - began)
    count("step_pictures", name, pictures)


def _has_ray() -> bool:
    """Whether this process uses Ray: importing it here would cost a job without it seconds."""
    return sys.modules.get("ray") is not None


@cache
def _counter(name: str) -> Counter:
    from ray.util.metrics import Counter

    text, label = COUNTERS[name]
    return Counter(f"faceinpaint_{name}", text, (label,))


@cache
def _gauge(name: str) -> Gauge:
    from ray.util.metrics import Gauge

    text, label = GAUGES[name]
    return Gauge(f"faceinpaint_{name}", text, (label,))
