"""The two collective operations data-parallel training needs; both do nothing in a single process."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch import distributed as dist


def workers() -> int:
    """Number of workers that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_over_workers(value: Tensor) -> Tensor:
    """The mean of a tensor over all workers; the value itself in a single process."""
    if workers() == 1:
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / workers()


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over workers, in one all-reduce of a flat buffer.

    Once per optimiser step, after all micro-batches. Unlike a DistributedDataParallel wrapper this asks nothing of the
    modules: a phase may use some of them twice, differentiate twice, or leave parameters out.
    """
    if workers() == 1:
        return
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= workers()
    for parameter, mean in zip(parameters, flat.split([g.numel() for g in gradients]), strict=True):
        parameter.grad = mean.view_as(parameter).clone(memory_format=torch.preserve_format)
