"""Gated convolution (Yu 2019; the paper, section 4.3)."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


class GatedConv(nn.Module):
    """``O = sigmoid(conv(W_g, I)) * ELU(conv(W_f, I))`` (section 4.3): each value learns how far it may be trusted.

    Both convolutions read the same input, so they are one convolution of twice the channels: its first half is the
    feature, its second half the gate. (N, C, H, W) -> (N, width, H / stride, W / stride).
    """

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.width = width
        self.conv = nn.Conv2d(channels, 2 * width, kernel_size=3, stride=stride, padding=1)
        self._initialise(fan_in=9 * channels)

    def _initialise(self, fan_in: int) -> None:
        """Keep the scale of features from layer to layer (no normalisation corrects it later).

        Half-open gates and ELU keep about a sixth of the variance, so features start with six times it.
        """
        feature, gate = self.conv.weight.data.chunk(2)
        nn.init.normal_(feature, std=math.sqrt(6 / fan_in))
        nn.init.normal_(gate, std=math.sqrt(1 / fan_in))
        assert self.conv.bias is not None
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        both = self.conv(x)
        F.elu_(both[:, : self.width])  # in place: no copy of the largest maps of the network
        return F.glu(both, dim=1)  # first half * sigmoid(second half)
