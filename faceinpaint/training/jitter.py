"""Random changes of training pictures: few faces go further when they lie and shine a little differently each time."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from faceinpaint.config import JitterConfig

# A sample's one number in [0, 1) times each of these, modulo one, gives many: the same for any number of workers.
MULTIPLIERS = (7919, 104729, 1299709, 15485863, 611953, 350377, 882377, 746773)


def jittered(images: Tensor, draws: Tensor, jitter: JitterConfig) -> Tensor:
    """Pictures (N, 3, S, S) in [-1, 1] -> the same, moved and relit at random; ``draws`` (N,) in [0, 1) decides how."""
    chance = _chance(draws)
    u = (chance * 2 - 1).float().unbind(1)  # each in [-1, 1)
    if jitter.scale or jitter.turn or jitter.shift:
        images = _moved(images, draws, jitter, "bicubic").clamp(-1, 1).to(images.dtype)
    if jitter.light:
        images = _relit(images, *(each * jitter.light for each in u[4:7]))
    if jitter.grey:
        grey = images.mean(1, keepdim=True).expand_as(images)
        images = torch.where((chance[:, 7] < jitter.grey)[:, None, None, None], grey, images)
    return images


def labels_jittered(labels: Tensor, draws: Tensor, jitter: JitterConfig) -> Tensor:
    """Class numbers (N, S, S) moved as :func:`jittered` moves their pictures, each pixel from its nearest."""
    if not (jitter.scale or jitter.turn or jitter.shift):
        return labels
    return _moved(labels[:, None], draws, jitter, "nearest")[:, 0].round().to(labels.dtype)


def _chance(draws: Tensor) -> Tensor:
    """(N,) in [0, 1) -> (N, 8) in [0, 1)."""
    return (draws.double()[:, None] * torch.tensor(MULTIPLIERS, device=draws.device)) % 1


def _moved(images: Tensor, draws: Tensor, jitter: JitterConfig, mode: str) -> Tensor:
    """Scaled, turned and shifted, in float32; what comes in at the edges is mirrored."""
    grow, angle, *shift = (_chance(draws)[:, :4] * 2 - 1).float().unbind(1)
    scale, angle = 1 / (1 + grow * jitter.scale), angle * math.radians(jitter.turn)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    x, y = (2 * jitter.shift * each for each in shift)  # affine grids count from -1 to 1
    matrix = torch.stack([cos, -sin, x, sin, cos, y], 1).view(-1, 2, 3)
    with torch.autocast(images.device.type, enabled=False):  # in bf16 the grid would be off by a pixel
        grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
        return F.grid_sample(images.float(), grid, mode=mode, padding_mode="reflection", align_corners=False)


def _relit(images: Tensor, gamma: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Gamma 2^``gamma``, contrast 1 + ``contrast``, brightness plus half of ``brightness`` (of the whole range)."""
    wide = [each[:, None, None, None] for each in (torch.exp2(gamma), 1 + contrast, brightness / 2)]
    light = ((images + 1) / 2).clamp(0, 1) ** wide[0]
    return (((light - 0.5) * wide[1] + 0.5 + wide[2]).clamp(0, 1) * 2 - 1).to(images.dtype)
