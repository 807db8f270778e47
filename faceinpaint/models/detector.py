"""The damage detector: a small U-Net behind a space-to-depth step, for tiles of pictures of any size.

After Ronneberger 2015 (skip connections) and Shi 2016 (sub-pixel output). At half resolution the first convolution
costs a quarter, and damage of 2 px is still a pixel there. What is far from a flat patch tells whether it is damage or
a collar: the context looks from 1/32 of the resolution, where that is cheap.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONTEXT = "context."  # how the names of the context's parameters begin
LAST = ("context.4.weight", "context.4.bias")  # of its last layer: where they are zero it adds nothing


class ConvNormReLU(nn.Sequential):
    """3 x 3 convolution, batch norm, ReLU: (N, I, H, W) -> (N, O, H / stride, W / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        )


class DamageDetector(nn.Module):
    """Where a picture is damaged.

    Args:
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the picture's resolution.
        context: channels at 1/32, whose answer is added at 1/16; 0: no context. It begins with zeros.

    ``stride``: sides of a picture must be multiples of it. ``reach``: what is further from a pixel, in pixels, never
    changes its answer.
    """

    def __init__(self, widths: tuple[int, int, int, int], context: int = 0):
        super().__init__()
        half, quarter, eighth, sixteenth = widths
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), ConvNormReLU(12, half))
        self.down = nn.ModuleList(
            [
                nn.Sequential(ConvNormReLU(half, quarter, 2), ConvNormReLU(quarter, quarter)),
                nn.Sequential(ConvNormReLU(quarter, eighth, 2), ConvNormReLU(eighth, eighth)),
                nn.Sequential(
                    ConvNormReLU(eighth, sixteenth, 2),
                    ConvNormReLU(sixteenth, sixteenth),
                    ConvNormReLU(sixteenth, sixteenth),
                ),
            ]
        )
        self.context = _context(sixteenth, context) if context else None
        self.stride, self.reach = (32, 224) if context else (16, 80)
        self.up = nn.ModuleList(
            [
                ConvNormReLU(sixteenth + eighth, eighth),
                ConvNormReLU(eighth + quarter, quarter),
                ConvNormReLU(quarter + half, half),
            ]
        )
        self.head = nn.Conv2d(half, 4, 1)
        nn.init.constant_(self.head.bias, -3.0)  # type: ignore[arg-type]  # most pixels are healthy

    def forward(self, images: Tensor) -> Tensor:
        """images (N, 3, H, W) in [-1, 1], H and W multiples of ``stride`` -> logits of damage (N, 1, H, W)."""
        assert not any(side % self.stride for side in images.shape[2:]), (
            f"{tuple(images.shape)}: no multiple of {self.stride}"
        )
        levels = [self.stem(images)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        if self.context is not None:
            x = x + self.context(x)
        for up in self.up:
            x = up(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), levels.pop()], 1))
        return F.pixel_shuffle(self.head(x), 2)


def _context(channels: int, width: int) -> nn.Sequential:
    """What surroundings add to features, (N, channels, H, W) -> the same; 0 before training."""
    last = nn.Conv2d(width, channels, 1)
    for value in last.parameters():
        nn.init.zeros_(value)
    return nn.Sequential(
        ConvNormReLU(channels, width, 2),
        ConvNormReLU(width, width),
        ConvNormReLU(width, width),
        ConvNormReLU(width, width),
        last,
        nn.Upsample(scale_factor=2.0, mode="nearest"),
    )
