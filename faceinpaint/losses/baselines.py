"""The losses the compared methods were published with (section 3.4 of Liu 2018 and of Li 2020; 3.3 of Yu 2018).

Pictures are (N, 3, H, W) in [-1, 1]; pixel terms are those of pictures in [0, 1], as in the papers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def perceptual(features: list[Tensor], truth: list[Tensor]) -> Tensor:
    """Mean absolute difference of features (N, C, H, W), summed over layers. At least 0, 0 at equality."""
    return sum(((a - b).abs().mean() for a, b in zip(features, truth, strict=True)), start=features[0].new_zeros(()))


def style(features: list[Tensor], truth: list[Tensor]) -> Tensor:
    """Mean absolute difference of Gram matrices, summed over layers. At least 0, 0 at equality."""
    pairs = zip(features, truth, strict=True)
    return sum(((gram(a) - gram(b)).abs().mean() for a, b in pairs), start=features[0].new_zeros(()))


def gram(features: Tensor) -> Tensor:
    """Channel correlations: (N, C, H, W) -> (N, C, C), sums over positions divided by C H W."""
    with torch.autocast(features.device.type, enabled=False):  # in fp16 the sums would overflow
        flat = features.float().flatten(2)
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def total_variation(picture: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute steps, across and down, within the hole grown by one pixel (Liu 2018, equation 6).

    ``mask`` (N, 1, H, W), 1 in the hole. Both means are over the whole picture, and added.
    """
    grown = F.max_pool2d(mask, 3, 1, 1)
    across = (picture[..., 1:] - picture[..., :-1]).abs() * grown[..., 1:] * grown[..., :-1]
    down = (picture[..., 1:, :] - picture[..., :-1, :]).abs() * grown[..., 1:, :] * grown[..., :-1, :]
    return across.mean() + down.mean()


def masked_l1(picture: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Absolute error, each picture's own weighted mean, mean over pictures. At least 0, 0 at equality.

    ``weights`` (N, 1, H, W) at least 0, divided by the pixels that have any.
    """
    error = ((picture - truth).abs() * weights).mean(1).sum((1, 2))
    return (error / (weights > 0).sum((1, 2, 3)).clamp(min=1)).mean()


def discount(mask: Tensor, gamma: float) -> Tensor:
    """Spatial discount (Yu 2018, section 3.3): gamma^l in the hole, l the steps to the nearest known pixel; else 0.

    ``mask`` (N, 1, H, W), 1 in the hole. Steps go to all eight neighbours: in a rectangle l is the distance to its
    nearest side. Where nothing is known it is 0 too.
    """
    weights = 1 - mask
    for _ in range(max(mask.shape[2:]) - 1):
        reached = F.max_pool2d(weights, 3, 1, 1) * gamma
        if torch.equal(weights, further := torch.maximum(weights, reached)):
            break
        weights = further
    return weights * mask
