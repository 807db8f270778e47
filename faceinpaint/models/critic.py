"""Critic of the texture stage (the paper, section 4.4: WGAN-GP, Gulrajani 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Critic(nn.Module):
    """Scores how real pictures look: (N, 3, S, S), S >= 16, -> (N,), unbounded, higher is more real.

    One 5x5 convolution of stride 2 per width, then a score at each position, averaged. There is no batch normalisation:
    the gradient penalty is each picture's own (Gulrajani 2017, section 4).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, width in zip((3, *widths), widths, strict=False):
            layers += [nn.Conv2d(channels, width, kernel_size=5, stride=2, padding=2), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Conv2d(widths[-1], 1, kernel_size=3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.score(self.layers(images)).mean(dim=(1, 2, 3))
