"""Pixel losses of both stages. Pictures are (N, 3, H, W) in [-1, 1], masks (N, 1, H, W) with 1 in the hole."""

from __future__ import annotations

from torch import Tensor


def l2(picture: Tensor, truth: Tensor) -> Tensor:
    """L2 of section 3.2: the mean squared error, as pSp trains. In [0, 4], 0 at equality."""
    return (picture - truth).square().mean()


def l1(picture: Tensor, truth: Tensor) -> Tensor:
    """L1 of section 4.4: the mean absolute error. In [0, 2], 0 at equality."""
    return (picture - truth).abs().mean()


def hole_l1(picture: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """L_hole of section 3.2: absolute error in the hole, over the picture's element count (Liu 2018). In [0, 2]."""
    return ((picture - truth).abs() * mask).mean()


def valid_l1(picture: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """L_valid of section 3.2: absolute error outside the hole, over the picture's element count. In [0, 2]."""
    return ((picture - truth).abs() * (1 - mask)).mean()
