"""pSp encoder (Richardson 2021): a residual network, a feature pyramid, and one small network per style vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.models.irse import IR_SE_50, WIDTHS, residual_body, stem
from faceinpaint.models.ops import EqualLinear

COARSE, MEDIUM = 3, 7  # styles 0-2 are coarse, 3-6 medium, the rest fine (the paper, section 3)


class MapToStyle(nn.Module):
    """Halves a square map until one pixel is left, then makes a style vector of it.

    (N, in_channels, side, side) -> (N, style_dim); ``side`` is a power of two, at least 2.
    """

    def __init__(self, in_channels: int, width: int, style_dim: int, side: int):
        super().__init__()
        layers: list[nn.Module] = []
        while side > 1:
            layers += [nn.Conv2d(in_channels, width, 3, stride=2, padding=1), nn.LeakyReLU()]
            in_channels, side = width, side // 2
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(width, style_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class StyleEncoder(nn.Module):
    """Pictures to offsets of W+ from the generator's mean W; key names of the public pSp checkpoints.

    Args:
        n_styles: vectors of W+, ``2 log2(size) - 2`` for a generator of that size.
        style_dim: width of W.
        units, widths: residual units and channels of the four stages; the pyramid has ``widths[3]`` channels.
        head_width: channels inside the map-to-style networks.
        input_size: side of the pictures, a power of two, at least 32.
        channels: of the input; pSp sees the picture's three.
    """

    def __init__(
        self,
        n_styles: int,
        style_dim: int = 512,
        units: Sequence[int] = IR_SE_50,
        widths: Sequence[int] = WIDTHS,
        head_width: int = 512,
        input_size: int = 256,
        channels: int = 3,
    ):
        super().__init__()
        self.n_styles, self.input_size, self.channels = n_styles, input_size, channels
        self.stage_ends = [sum(units[: i + 1]) for i in range(4)]
        self.input_layer = stem(widths[0], channels)
        self.body = residual_body(units, widths)
        pyramid = widths[3]
        self.latlayer1 = nn.Conv2d(widths[2], pyramid, 1)
        self.latlayer2 = nn.Conv2d(widths[1], pyramid, 1)
        strides = [16] * COARSE + [8] * (MEDIUM - COARSE) + [4] * n_styles
        self.styles = nn.ModuleList(
            MapToStyle(pyramid, head_width, style_dim, side=input_size // stride) for stride in strides[:n_styles]
        )

    def forward(self, images: Tensor) -> Tensor:
        """Pictures (N, channels, input_size, input_size) in [-1, 1] -> (N, n_styles, style_dim)."""
        assert images.shape[1:] == (self.channels, self.input_size, self.input_size), images.shape
        coarse, medium, fine = self._pyramid(images)
        maps = [coarse] * COARSE + [medium] * (MEDIUM - COARSE) + [fine] * self.n_styles
        return torch.stack([style(x) for style, x in zip(self.styles, maps, strict=False)], 1)

    def _pyramid(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of ``widths[3]`` channels at strides 16, 8 and 4, each lateral map added to the enlarged one above."""
        _, second, third, fourth = self.stage_ends
        x = self.input_layer(images)
        stride4 = self.body[:second](x)
        stride8 = self.body[second:third](stride4)
        coarse = self.body[third:fourth](stride8)
        medium = enlarge_to(self.latlayer1(stride8), coarse)
        fine = enlarge_to(self.latlayer2(stride4), medium)
        return coarse, medium, fine


def enlarge_to(lateral: Tensor, above: Tensor) -> Tensor:
    """``lateral`` (N, C, 2H, 2W) plus ``above`` (N, C, H, W) enlarged bilinearly, corners aligned (as pSp)."""
    return lateral + F.interpolate(above, size=lateral.shape[2:], mode="bilinear", align_corners=True)
