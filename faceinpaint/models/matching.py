"""Making a pasted picture meet the valid pixels at the hole's edge.

The first stage's picture is off at low frequencies: a cheek a little too dark, a background of another shade. What is
missing is known outside the hole (valid picture minus first stage); its harmonic interpolation into the hole, the
smoothest one, is added to the paste there. This is Poisson blending (Perez 2003) written as a correction.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SWEEPS = 6  # of each size; a coarser size hands on a good start, so few are enough
COARSEST = 4  # pixels


def matched(picture: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """``picture`` with the harmonic interpolation of ``image - picture`` added.

    All (N, 3, S, S) in [-1, 1]; mask (N, 1, S, S): the hole's share of a pixel; below 1 the image is known. The
    correction is taken as given: gradients flow through ``picture`` alone.
    """
    with torch.no_grad(), torch.autocast(picture.device.type, enabled=False):
        known = (mask < 1).float()
        correction = harmonic_fill((image.float() - picture.float()) * known, known)
    return picture + correction.to(picture.dtype)


def harmonic_fill(values: Tensor, known: Tensor) -> Tensor:
    """Values (N, C, S, S), right where ``known`` (N, 1, S, S) is 1 -> the same there, harmonic elsewhere.

    Solved from coarse to fine: halved pictures (means of known pixels) start their finer ones, each smoothed by a few
    sweeps of Jacobi's method. A sample without any known pixel gets zeros. The sides are multiples of two down to four.
    """
    side = values.shape[-1]
    if side <= COARSEST or side % 2:
        start = (values * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    else:
        share = F.avg_pool2d(known, 2)
        half = F.avg_pool2d(values * known, 2) / share.clamp(min=0.25)
        start = F.interpolate(harmonic_fill(half, (share > 0).float()), scale_factor=2, mode="bilinear")
    filled = torch.where(known > 0, values, start)
    for _ in range(SWEEPS):
        around = F.pad(filled, (1, 1, 1, 1), mode="replicate")
        mean = (around[..., :-2, 1:-1] + around[..., 2:, 1:-1] + around[..., 1:-1, :-2] + around[..., 1:-1, 2:]) / 4
        filled = torch.where(known > 0, values, mean)
    return filled
