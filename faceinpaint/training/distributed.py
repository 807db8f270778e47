"""The collective operations data-parallel training needs; they do nothing in a single process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


class _Sum(torch.autograd.Function):
    """All-reduce whose gradient is summed over workers likewise."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient.contiguous())


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the samples of all workers, on any device: torch's own SyncBatchNorm refuses CPUs."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape and dtype."""
        if not self.training or workers() == 1:
            return super().forward(x)
        wide = x.float()
        count = wide.new_tensor([wide.numel() / wide.shape[1]])
        sums = _Sum.apply(torch.cat([wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3)), count]))
        mean, square = (sums[:-1] / sums[-1]).chunk(2)
        variance = square - mean.square()
        with torch.no_grad():
            momentum, running = self.momentum or 0.0, dict(self.named_buffers())
            running["num_batches_tracked"] += 1
            running["running_mean"].lerp_(mean, momentum)
            running["running_var"].lerp_(variance * sums[-1] / (sums[-1] - 1), momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (wide * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


def synchronise_batch_norm(module: nn.Module) -> None:
    """Make every 2-D batch norm below ``module`` a :class:`SyncedBatchNorm2d` with the same parameters and buffers."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            synced = SyncedBatchNorm2d(child.num_features, child.eps, child.momentum)
            synced.__dict__.update(child.__dict__)  # the very parameters the optimiser holds
            module.register_module(name, synced)
        else:
            synchronise_batch_norm(child)
