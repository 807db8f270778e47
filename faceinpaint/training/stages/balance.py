"""Keeps the adversarial gradient a fixed share of the other terms' (after Esser 2021, equation 7)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from faceinpaint.training.distributed import mean_over_workers

OTHERS, ADVERSARIAL = 0, 1
RISE, FALL = 0.1, 0.5  # share of the way to the wanted scale that a step goes
LARGEST = 1e4  # scale


class GradientBalance(nn.Module):
    """Measures, at a network's output, the gradients that come back from two sides, and scales one of them.

    share: what the adversarial gradient's norm is brought to, over the norm of the others'. The scale is 0 in the
    first step, which only measures. All state is in buffers, so a resumed run goes on alike.
    """

    scale: Tensor
    norms: Tensor

    def __init__(self, share: float):
        super().__init__()
        self.share = share
        self.register_buffer("scale", torch.zeros(()))
        self.register_buffer("norms", torch.zeros(2))  # squared sums since the last adaption: others, adversarial

    def branches(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Two views of the output: one for the other terms, one for the adversarial term."""
        return _Gauge.apply(output, self, OTHERS), _Gauge.apply(output, self, ADVERSARIAL)

    def adapt(self) -> None:
        """Move the scale by what was measured since the last call, on all workers."""
        others, adversarial = mean_over_workers(self.norms).clamp(min=1e-24).sqrt().unbind()
        wanted = (self.share * others / adversarial).clamp(max=LARGEST)
        measured = self.norms.min() > 0
        # A critic that starts to see has gradients that grow fast: the scale falls faster than it rises.
        pace = torch.where(wanted < self.scale, FALL, RISE)
        moved = torch.where(self.scale > 0, self.scale.lerp(wanted, pace), wanted)
        self.scale.copy_(torch.where(measured & wanted.isfinite(), moved, self.scale))
        self.norms.zero_()


class _Gauge(torch.autograd.Function):
    """The identity. On the way back it notes the gradient's squared norm; an adversarial one is scaled."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, balance: GradientBalance, side: int) -> Tensor:
        ctx.balance, ctx.side = balance, side
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        ctx.balance.norms[ctx.side] += gradient.float().square().sum()
        return gradient * ctx.balance.scale.to(gradient.dtype) if ctx.side == ADVERSARIAL else gradient, None, None
