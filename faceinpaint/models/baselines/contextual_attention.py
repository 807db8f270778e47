"""Contextual attention: the hole's features made of patches from outside it (Yu 2018, section 4.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH = 3  # side of the patches that are compared
SCALE = 10.0  # of scores before the softmax: lambda of section 4.1


def contextual_attention(features: Tensor, masks: Tensor, rate: int = 2) -> Tensor:
    """Features (N, C, h, w) -> alike, every position made of patches of the context.

    ``masks`` (N, 1, H, W), 1 in the hole, H a multiple of h. Patches f at (x, y) and context patches b at (x', y'), 3x3
    on features shrunk by taking every ``rate``-th value (the paper: 2), are compared::

        s[x,y,x',y'] = < f[x,y], b[x',y'] / ||b[x',y']|| >
        s*[x,y,x',y'] = softmax over x',y' of SCALE * s, propagated along rows and columns (equation 4)

    and each position becomes the sum, weighted by s*, of the context patches of the full features, of side 2 ``rate``
    and ``rate`` apart; where patches overlap, their mean is taken. As in the authors' code
    (github.com/JiahuiYu/generative_inpainting) scores are propagated before the softmax, and a patch that touches the
    hole has score 0 in the softmax and weight 0 after it. Unlike there, each sample has its own mask, and one hole
    pixel makes a hole cell. Without any context the result is 0.
    """
    assert not any(side % rate for side in features.shape[2:]), f"{tuple(features.shape[2:])} is no multiple of {rate}"
    dtype, around = features.dtype, (rate // 2, rate - rate // 2)
    with torch.autocast(features.device.type, enabled=False):  # scores are sharpened: bf16 is too coarse
        features = features.float()
        shrunk = features[:, :, ::rate, ::rate]
        weights = attention_weights(shrunk, context_patches(masks, shrunk.shape[2:]))
        padded = F.pad(features, around * 2)
        patches = F.unfold(padded, 2 * rate, stride=rate)  # N, C * (2 rate)^2, P
        filled = F.fold(patches @ weights, padded.shape[2:], 2 * rate, stride=rate)
        inside = filled[:, :, around[0] : -around[1], around[0] : -around[1]]
        return (inside / 4).to(dtype)  # four patches cover a position


def context_patches(masks: Tensor, size: torch.Size) -> Tensor:
    """Masks (N, 1, H, W), 1 in the hole -> float (N, P, 1): 1 for a patch of a map of ``size`` that touches no hole."""
    holes = F.max_pool2d(masks, masks.shape[2] // size[0])
    return (F.max_pool2d(holes, PATCH, 1, PATCH // 2) == 0).flatten(2).transpose(1, 2).to(masks.dtype)


def attention_weights(features: Tensor, context: Tensor) -> Tensor:
    """Shrunk features (N, C, h, w), ``context`` (N, P, 1) -> s*: (N, P context patches, P positions), P = h w."""
    patches = F.unfold(features, PATCH, padding=PATCH // 2)  # N, C * 9, P
    keys = patches / patches.norm(dim=1, keepdim=True).clamp(min=1e-4)
    scores = propagated(keys.transpose(1, 2) @ patches, features.shape[2], features.shape[3])
    return (scores * context * SCALE).softmax(1) * context


def propagated(scores: Tensor, height: int, width: int) -> Tensor:
    """Equation 4: neighbours of a position should copy neighbours of its patch.

    ``scores`` (N, P, P) of two maps of ``height`` x ``width``, row by row. Along rows, then along columns, each becomes
    s[i-1,j-1] + s[i,j] + s[i+1,j+1], i and j moving together; beyond the ends scores are 0.
    """
    for rows, columns in ((height, width), (width, height)):
        ahead = F.pad(scores[:, 1:, 1:], (0, 1, 0, 1))
        behind = F.pad(scores[:, :-1, :-1], (1, 0, 1, 0))
        # Row by row becomes column by column, and back.
        grid = (scores + ahead + behind).unflatten(2, (rows, columns)).unflatten(1, (rows, columns))
        scores = grid.transpose(1, 2).transpose(3, 4).flatten(3).flatten(1, 2)
    return scores
