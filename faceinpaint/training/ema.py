"""Moving averages of weights: what is exported is the average, not the last step."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def averaged_copy(module: nn.Module) -> nn.Module:
    """A frozen copy in evaluation mode, to be moved by :func:`update`."""
    return copy.deepcopy(module).eval().requires_grad_(False)


@torch.no_grad()
def update(average: nn.Module, module: nn.Module, batch: int, half_life: float, pictures_seen: int) -> None:
    """Move ``average`` towards ``module`` after a step of ``batch`` pictures.

    ``half_life``, in pictures, is cut to a twentieth of the pictures seen, so that early averages forget the random
    start (Karras 2020). Buffers, such as batch-norm statistics, are averaged alike; integer ones are copied.
    """
    keep = 0.5 ** (batch / max(min(half_life, pictures_seen / 20), 1e-8))
    pairs = list(zip(average.state_dict().values(), module.state_dict().values(), strict=True))
    targets, values = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
    get_ema_multi_avg_fn(keep)(list(targets), list(values), 1)  # all tensors at once
    for target, value in pairs:
        if not target.is_floating_point():
            target.copy_(value)
