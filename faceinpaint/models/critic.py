"""Critics of the texture stage: the paper's (section 4.4: WGAN-GP, Gulrajani 2017), and two of patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

FEATURE_CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}  # of the five slices of LPIPS


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


class FeatureCritic(nn.Module):
    """A patch critic, and one head on each feature map of a frozen network (Sauer 2021, section 3).

    The frozen network sees from the first step, so the heads learn from few pictures; the patch critic sees what its
    features do not hold. ``channels``: of the feature maps.
    """

    def __init__(self, widths: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.patches = PatchCritic(widths)
        self.heads = nn.ModuleList(_head(each) for each in channels)

    def forward(self, images: Tensor, masks: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
        """Pictures (N, 3, S, S), masks (N, 1, S, S) and the pictures' features, (N, C, h, w) each -> one map of scores
        (N, 1, ., .) of the patch critic, and one of each head."""
        scores = [self.patches(images, masks)]
        for head, features in zip(self.heads, maps, strict=True):
            seen = F.normalize(features, dim=1) * features.shape[1] ** 0.5  # as LPIPS compares them; values near 1
            scores.append(head(torch.cat([seen, F.adaptive_max_pool2d(masks, features.shape[2:])], 1)))
        return scores


def _head(channels: int, width: int = 64) -> nn.Sequential:
    return nn.Sequential(
        spectral_norm(nn.Conv2d(channels + 1, width, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, 1, 3, padding=1)),
    )
