"""Residual network with squeeze-and-excitation (IR-SE), the body of the pSp encoder and of ArcFace (Deng 2019).

Parameter names are those of the public checkpoints (``input_layer.*``, ``body.<unit>.*``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

IR_SE_50 = (3, 4, 14, 3)  # residual units per stage
WIDTHS = (64, 128, 256, 512)  # channels per stage


class SqueezeExcite(nn.Module):
    """Scales each channel of (N, C, H, W) by a gate computed from all channels' means (Hu 2018)."""

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        squeezed = max(1, channels // reduction)
        self.fc1 = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.fc2 = nn.Conv2d(squeezed, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(gate))))


class Subsample(nn.Module):
    """Every ``stride``-th pixel: (N, C, H, W) -> (N, C, H / s, W / s), a view."""

    def __init__(self, stride: int):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.stride, :: self.stride]


class ResidualUnit(nn.Module):
    """Batch norm, two 3x3 convolutions, squeeze-and-excitation, and a shortcut: (N, in, H, W) -> (N, out, H/s, W/s)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.shortcut_layer: nn.Module
        if in_channels == out_channels:
            self.shortcut_layer = Subsample(stride)
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            SqueezeExcite(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


def stem(width: int, channels: int = 3) -> nn.Sequential:
    """First layer: (N, channels, H, W) -> (N, width, H, W)."""
    return nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width))


def residual_body(units: Sequence[int], widths: Sequence[int]) -> nn.Sequential:
    """Four stages of ``units`` residual units; the first unit of each stage halves the size."""
    layers = []
    channels = widths[0]
    for count, width in zip(units, widths, strict=True):
        for i in range(count):
            layers.append(ResidualUnit(channels, width, stride=2 if i == 0 else 1))
            channels = width
    return nn.Sequential(*layers)
