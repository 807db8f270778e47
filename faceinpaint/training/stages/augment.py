"""Adaptive discriminator augmentation (Karras 2020, "Training GANs with limited data").

Small sets need it: nine thousand faces are soon known by heart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.training.distributed import mean_over_workers


class AdaptiveAugment(nn.Module):
    """Mirrors, shifts, scales, turns and recolours pictures, each with probability ``p`` that training adapts.

    ``p`` follows E[sign D(real)]: above ``target`` the discriminator overfits, and p grows; below, it shrinks. Both are
    buffers, so that a resumed run goes on where it was.
    """

    p: Tensor
    sign_sum: Tensor

    def __init__(self, target: float, speed_pictures: int):
        super().__init__()
        self.target, self.speed_pictures = target, speed_pictures
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("sign_sum", torch.zeros(2))  # sum of signs, count: since p last moved

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1] -> augmented alike; differentiable in the pictures."""
        if self.target == 0 or self.p == 0:
            return pictures
        matrix = self._warp(pictures.shape[0], pictures.device)
        with torch.autocast(pictures.device.type, enabled=False):  # in bf16 the grid would be off by a pixel
            grid = F.affine_grid(matrix[:, :2], list(pictures.shape), align_corners=False)
        warped = F.grid_sample(pictures.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return self._recolour(warped)

    def observe(self, real_logits: Tensor) -> None:
        """Note the discriminator's logits (N,) of real pictures, each worker's own."""
        seen = torch.stack([real_logits.detach().sign().sum(), real_logits.new_tensor(len(real_logits))])
        self.sign_sum += mean_over_workers(seen)  # the same on each, as what is saved is one worker's

    def adapt(self, batch: int) -> None:
        """Move ``p`` by what was observed since the last call; ``batch`` is the number of pictures in between."""
        signs, count = self.sign_sum.tolist()
        if count:
            step = math.copysign(batch / self.speed_pictures, signs / count - self.target)
            self.p.add_(step).clamp_(0, 0.8)
        self.sign_sum.zero_()

    def _chosen(self, values: Tensor, neutral: float) -> Tensor:
        """``values`` with probability p, else ``neutral``."""
        return torch.where(torch.rand_like(values) < self.p, values, torch.full_like(values, neutral))

    def _warp(self, batch: int, device: torch.device) -> Tensor:
        """(batch, 3, 3) matrices from output to input coordinates, in [-1, 1]."""
        draw = lambda: torch.randn(batch, device=device)  # noqa: E731
        mirror = self._chosen(torch.sign(draw()), 1.0)
        scale = self._chosen(torch.exp2(0.2 * draw()), 1.0)
        angle = self._chosen((torch.rand(batch, device=device) * 2 - 1) * math.pi / 8, 0.0)
        shift_x, shift_y = (self._chosen(0.125 * draw(), 0.0) for _ in range(2))
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        rows = [cos * mirror, -sin, shift_x, sin * mirror, cos, shift_y, zero, zero, one]
        return torch.stack(rows, 1).view(batch, 3, 3)

    def _recolour(self, pictures: Tensor) -> Tensor:
        """Random brightness, contrast and saturation."""
        batch, device = pictures.shape[0], pictures.device
        draw = lambda: torch.randn(batch, device=device)  # noqa: E731
        brightness = self._chosen(0.2 * draw(), 0.0)[:, None, None, None]
        contrast = self._chosen(torch.exp2(0.5 * draw()), 1.0)[:, None, None, None]
        saturation = self._chosen(torch.exp2(draw()), 1.0)[:, None, None, None]
        pictures = (pictures + brightness) * contrast
        grey = pictures.mean(1, keepdim=True)
        return grey + (pictures - grey) * saturation
