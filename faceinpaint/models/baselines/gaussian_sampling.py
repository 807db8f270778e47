"""Sampling of a feature map at moved places, weighted by a Gaussian (Ren 2019, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor


def gaussian_sample(features: Tensor, flow: Tensor, window: int, sigma: float) -> Tensor:
    """Each position takes the weighted mean of ``window`` x ``window`` values around the place that its flow points at.

    ``features`` (N, C, H, W); ``flow`` (N, 2, H', W'), offsets in cells, x then y -> (N, C, H', W') in float32. A value
    at distances (dx, dy) from the place counts ``exp(-(dx^2 + dy^2) / (2 sigma^2))``; weights sum to one. Beyond the
    border lie the border's values. Unlike bilinear sampling, far values have a say, so that the flow gets a gradient
    from them too.
    """
    n, channels, height, width = features.shape
    rows, columns = flow.shape[2:]
    with torch.autocast(features.device.type, enabled=False):  # in bf16 places would be off by a cell
        flow = flow.float()
        x = (flow[:, 0] + torch.arange(columns, device=flow.device)).flatten(1)
        y = (flow[:, 1] + torch.arange(rows, device=flow.device)[:, None]).flatten(1)
        across, down = _weights(x, width, window, sigma), _weights(y, height, window, sigma)  # N, P, W and N, P, H
        weights = (down[:, :, :, None] * across[:, :, None, :]).flatten(2)  # N, P, H W
        sampled = features.float().flatten(2) @ weights.transpose(1, 2)
    return sampled.view(n, channels, rows, columns)


def _weights(places: Tensor, size: int, window: int, sigma: float) -> Tensor:
    """Places (N, P) along one axis -> the weight of each of its ``size`` cells, (N, P, size)."""
    first = places.detach().floor()
    steps = torch.arange(1 - window // 2, window // 2 + 1, device=places.device)
    distances = steps - (places - first)[:, :, None]
    weights = torch.softmax(-distances.square() / (2 * sigma**2), dim=2)
    cells = (first.long()[:, :, None] + steps).clamp(0, size - 1)
    return weights.new_zeros(*places.shape, size).scatter_add(2, cells, weights)
