"""The collective operations data-parallel training needs; they do nothing in a single process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.modules.batchnorm import _BatchNorm


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
def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace each gradient by its mean over workers, in its parameter's layout.

    Once per optimiser step, after all micro-batches. Unlike a DistributedDataParallel wrapper this asks nothing of the
    modules: a phase may use some of them twice, differentiate twice, or leave parameters out. What no worker has a
    gradient of keeps none, so that the optimiser leaves it alone as in a single process.
    """
    if workers() == 1:
        return
    given = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=parameters[0].device)
    *means, shares = _means_over_workers(
        [*(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters), given]
    )
    for parameter, mean, share in zip(parameters, means, shares.tolist(), strict=True):
        if share:
            parameter.grad = torch.empty_like(parameter).copy_(mean)


@torch.no_grad()
def average_statistics(modules: Iterable[nn.Module]) -> None:
    """Make the running statistics of batch norms that learn them the mean over workers.

    What is saved, exported or frozen is then not one worker's own, and a run that goes on is the one that was cut off.
    """
    if workers() == 1:
        return
    norms = [part for module in modules for part in module.modules() if isinstance(part, _BatchNorm) and part.training]
    own = [value for norm in norms for value in (norm.running_mean, norm.running_var) if value is not None]
    if own:
        torch._foreach_copy_(own, _means_over_workers(own))


def _means_over_workers(values: list[Tensor]) -> list[Tensor]:
    """Each tensor's mean over workers, in one all-reduce of a flat buffer."""
    flat = torch.cat([value.reshape(-1) for value in values])
    dist.all_reduce(flat)
    flat /= workers()
    parts = flat.split([value.numel() for value in values])
    return [part.view(value.shape) for part, value in zip(parts, values, strict=True)]


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
        sums = _Sum.apply(torch.cat([wide.sum((0, 2, 3)), wide.new_tensor([wide.numel() / wide.shape[1]])]))
        mean, count = sums[:-1] / sums[-1], sums[-1].detach()
        centred = wide - mean[:, None, None]  # before it is squared: a mean square less a squared mean cancels
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            momentum, running = self.momentum or 0.0, dict(self.named_buffers())
            running["num_batches_tracked"] += 1
            running["running_mean"].lerp_(mean, momentum)
            running["running_var"].lerp_(variance * count / (count - 1), momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def synchronise_batch_norm(module: nn.Module) -> None:
    """Make every 2-D batch norm below ``module`` a :class:`SyncedBatchNorm2d` with the same parameters and buffers."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            synced = SyncedBatchNorm2d(child.num_features, child.eps, child.momentum)
            synced.__dict__.update(child.__dict__)  # the very parameters the optimiser holds
            module.register_module(name, synced)
        else:
            synchronise_batch_norm(child)
