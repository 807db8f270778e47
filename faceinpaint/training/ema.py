"""Moving averages of weights: what is exported is the average, not the last step."""

from __future__ import annotations

import copy

import torch
from torch import nn


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
    targets = average.state_dict()
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            targets[name].lerp_(value, 1 - keep)
        else:
            targets[name].copy_(value)
