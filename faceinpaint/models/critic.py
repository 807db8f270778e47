"""Critics of the texture stage: the paper's (section 4.4: WGAN-GP, Gulrajani 2017), and one of patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


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


class PatchCritic(nn.Module):
    """SN-PatchGAN (Yu 2019, section 3.4): pictures (N, 3, S, S) and masks (N, 1, S, S) -> a score for each patch.

    One 5x5 convolution of stride 2 per width, then a score at each position: (N, 1, s, s) with s = S / 2 ** widths, S a
    multiple of it. All weights are divided by their spectral norm (Miyato 2018).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, width in zip((4, *widths), widths, strict=False):
            layers += [spectral_norm(nn.Conv2d(channels, width, 5, stride=2, padding=2)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, kernel_size=3, padding=1))

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        return self.score(self.layers(torch.cat([images, masks], 1)))
