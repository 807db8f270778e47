"""Training in this process, without Ray: to the same weights, bit for bit, as one worker of Ray Train.

A debugger stops in it and a profiler sees all of it. A failure is not retried: the same command goes on.
"""

from __future__ import annotations

from faceinpaint.data.stream import stream_here
from faceinpaint.device import choose_device
from faceinpaint.training.plan import Job, Resources
from faceinpaint.training.worker import Seat, train_worker


def train_here(job: Job, resources: Resources) -> None:
    """Train to the last step on this process's CPUs, or, where ``gpus_per_worker`` asks for one, on its GPU.

    Raises :class:`InputError` when it has none.
    """
    device = choose_device("cuda" if resources.gpus_per_worker else "cpu")
    train_worker(job, Seat(device=device, stream=stream_here, report=lambda figures: None))
