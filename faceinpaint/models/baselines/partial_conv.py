"""Partial convolution (Liu 2018): what is not known yet does not count, and what has been seen becomes known."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PartialConv(nn.Module):
    """``x' = W (x * m) * k^2 / sum(m) + b`` where the window holds a known pixel, else 0 (Liu 2018, equations 1 and 2).

    Masks here are *known* maps, (N, 1, H, W) with 1 for a known pixel: one channel stands for all, which is exact as
    long as all channels are known together.
    """

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1, bias: bool = False):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)
        self.bias = nn.Parameter(self.conv.weight.new_zeros(width)) if bias else None

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """(N, channels, H, W) and its known map -> (N, width, H', W') and its known map."""
        scale, now_known = window_scale(known, self.conv.kernel_size[0], self.conv.stride[0])
        out = self.conv(x * known) * scale
        if self.bias is not None:
            out = (out + self.bias[:, None, None]) * now_known
        return out, now_known


def window_scale(known: Tensor, kernel: int, stride: int) -> tuple[Tensor, Tensor]:
    """(N, 1, H', W') each: window size over its known pixels (0 where it has none), and whether it has any.

    Pixels beyond the picture count as unknown, as zero padding makes them.
    """
    share = F.avg_pool2d(known, kernel, stride, padding=kernel // 2)  # padding counts in the window
    now_known = (share > 0).to(known.dtype)
    return now_known / share.clamp(min=1e-8), now_known
