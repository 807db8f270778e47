"""The training stream on Ray Data: tasks read and decode blocks of samples ahead of the worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import ray

from faceinpaint.data.stream import BLOCK_SAMPLES, StreamPlan


def stream(plan: StreamPlan, first_step: int, last_step: int, readers: int = 2) -> Iterator[dict[str, np.ndarray]]:
    """One worker's batches of steps [first, last), read and decoded ahead of time by ``readers`` Ray Data tasks."""
    block = max(1, BLOCK_SAMPLES // plan.batch)
    starts = list(range(first_step, last_step, block))
    if not starts:
        return
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    plan_ref = ray.put(plan)

    def load_block(rows: dict[str, np.ndarray]) -> dict[str, Any]:
        start = starts[int(rows["id"][0])]
        return ray.get(plan_ref).load(start, min(start + block, last_step))

    blocks = ray.data.range(len(starts), override_num_blocks=len(starts))
    samples = blocks.map_batches(load_block, batch_size=1, compute=ray.data.TaskPoolStrategy(size=readers))
    yield from samples.iter_batches(batch_size=len(plan.slots), prefetch_batches=2)
