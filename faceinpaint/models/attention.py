"""Attention computed on a deep feature map and transferred to a shallow one (the paper, section 4.2).

A map of stride s is cut into patches that do not overlap, each covering ``cell`` x ``cell`` pixels of the picture, so
its side on the map is ``cell / s``. The same grid of P patches lies over maps of every stride: patch i of the scored
map and patch i of the filled map show the same piece of the picture. A patch with any hole pixel is a hole patch j, to
be filled; one without is a context patch i, to fill from.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def hole_patches(mask: Tensor, cell: int) -> Tensor:
    """Mask (N, 1, H, W), 1 in the hole -> bool (N, P): does the patch touch the hole? P = H W / cell^2, row by row."""
    return F.max_pool2d(mask, cell).flatten(1) > 0


def attention_scores(features: Tensor, holes: Tensor, temperature: float = 1.0) -> Tensor:
    """Attention computation: who should fill whom.

    With p the patches of ``features`` as vectors, j a hole patch and i one of the N context patches::

        c[i,j] = < p_i / ||p_i||, p_j / ||p_j|| >
        s[i,j] = exp(c[i,j] / temperature) / sum over i = 1..N of exp(c[i,j] / temperature)

    (the paper: temperature 1). ``features`` (N, C, h, w), ``holes`` (N, P) bool -> scores (N, P, P) in float32, row j,
    column i. Rows sum to one; columns of hole patches are zero. Without any context no patch is masked, so that scores
    stay finite: :func:`transfer` does not use them.
    """
    with torch.autocast(features.device.type, enabled=False):  # a bf16 cosine is too coarse to be sharpened
        p = F.normalize(to_patches(features.float(), holes.shape[1]), dim=2)
        cosine = p @ p.transpose(1, 2)
    context = ~holes | holes.all(dim=1, keepdim=True)
    return torch.softmax((cosine / temperature).masked_fill(~context[:, None, :], -torch.inf), dim=2)


def transfer(features: Tensor, holes: Tensor, scores: Tensor) -> Tensor:
    """Attention transfer: hole patches filled with the weighted context patches of their own level::

        p_j = sum over i = 1..N of s[i,j] p_i

    ``features`` (N, C, h, w) of a shallower level, ``holes`` (N, P) and ``scores`` (N, P, P) of the scored one ->
    (N, C, h, w). Context patches pass through unchanged; so does a whole map without any context.
    """
    p = to_patches(features, holes.shape[1])
    fill = holes & ~holes.all(dim=1, keepdim=True)
    filled = torch.where(fill[:, :, None], (scores.to(p.dtype) @ p).to(p.dtype), p)
    return from_patches(filled, features.shape)


def to_patches(features: Tensor, count: int) -> Tensor:
    """Map (N, C, h, w) -> its ``count`` patches as vectors (N, count, side * side * C), row by row."""
    side = _patch_side(features.shape, count)
    grid = (
        features.permute(0, 2, 3, 1).unflatten(2, (-1, side)).unflatten(1, (-1, side))
    )  # N, rows, side, cols, side, C
    return grid.transpose(2, 3).flatten(3).flatten(1, 2)


def from_patches(patches: Tensor, shape: torch.Size) -> Tensor:
    """Inverse of :func:`to_patches`: (N, P, side * side * C) -> ``shape`` (N, C, h, w), channels last in memory."""
    n, channels, height, width = shape
    side = _patch_side(shape, patches.shape[1])
    grid = patches.view(n, height // side, width // side, side, side, channels).transpose(2, 3)
    return grid.reshape(n, height, width, channels).permute(0, 3, 1, 2)


def _patch_side(shape: torch.Size, count: int) -> int:
    """Side on a map (N, C, h, w) of patches that cut it into ``count`` squares."""
    side = round((shape[2] * shape[3] / count) ** 0.5)
    assert side * side * count == shape[2] * shape[3], f"a map of {tuple(shape[2:])} has no {count} square patches"
    return side
