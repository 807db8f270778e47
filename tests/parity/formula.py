"""Weights that a formula defines, so that anyone can give the same ones to another implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

PERIOD = 10007


def sines(count: int, phase: int) -> Tensor:
    """``count`` values sin((i mod PERIOD) + phase), float32."""
    table = torch.sin(torch.arange(PERIOD, dtype=torch.float64) + phase).float()
    return table.repeat(count // PERIOD + 1)[:count].clone()


def formula_state(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """A state dict of these shapes, of sensible sizes: what a key is for is read off its name."""
    state = {}
    for phase, key in enumerate(sorted(shapes)):
        shape = tuple(shapes[key])
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.long)
            continue
        wave = sines(int(torch.Size(shape).numel()), phase).reshape(shape)
        state[key] = scaled(key, wave)
    return state


def scaled(key: str, wave: Tensor) -> Tensor:
    if key.endswith("kernel"):  # asymmetric on purpose: the flip of a convolution must show
        return (1 + 0.3 * wave) * 4 / (1 + 0.3 * wave).sum()
    if key.endswith(("_u", "_v")):  # singular vectors of spectral norm
        return wave / wave.norm()
    if key.endswith("running_var") or "modulation.bias" in key:
        return 1 + 0.5 * wave
    if (
        wave.dim() == 5
        or "noise" in key
        or key == "input.input"
        or "modulation.weight" in key
        or "linear.weight" in key
    ):
        return 1.4 * wave  # scaled when used
    if key.startswith("style.") and wave.dim() == 2:
        return 140 * wave  # learning-rate multiplier 0.01
    if wave.dim() >= 2:
        return wave * 1.4 / wave[0].numel() ** 0.5
    return 0.1 * wave + (1 if key.endswith("weight") and "bias" not in key else 0)


def digest(output: Tensor) -> list[float]:
    """Sixty-four values spread over the output, then its mean and deviation."""
    flat = output.detach().flatten().double()
    picked = flat[torch.linspace(0, flat.numel() - 1, 64).long()]
    return [*picked.tolist(), flat.mean().item(), flat.std().item()]
