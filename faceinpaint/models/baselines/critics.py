"""Critics of the compared methods: they score each patch of a picture, and tell what they saw in it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class FeatureCritic(nn.Module):
    """PatchGAN of 70 px with spectral norm (Isola 2017; Miyato 2018; Nazeri 2019, section 3).

    (N, channels, S, S), S >= 24, -> logits (N, 1, s, s), and the features of all five convolutions, which feature
    matching compares. ``width``: of the first layer (the paper: 64).
    """

    def __init__(self, channels: int, width: int = 64):
        super().__init__()
        widths, strides = (channels, width, 2 * width, 4 * width, 8 * width, 1), (2, 2, 2, 1, 1)
        for i, stride in enumerate(strides):
            conv = spectral_norm(nn.Conv2d(widths[i], widths[i + 1], 4, stride, 1, bias=False))
            self.add_module(f"conv{i + 1}", nn.Sequential(conv, *([] if i == 4 else [nn.LeakyReLU(0.2)])))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for layer in self.children():
            x = layer(x)
            features.append(x)
        return x, features


class ScaledFeatureCritic(nn.Module):
    """A :class:`FeatureCritic` for each of ``scales`` halvings of the picture (Wang 2018, section 3.2)."""

    def __init__(self, channels: int, width: int, scales: int):
        super().__init__()
        self.critics = nn.ModuleList(FeatureCritic(channels, width) for _ in range(scales))

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(N, channels, S, S) -> logits of each scale, and all features."""
        logits, features = [], []
        for critic in self.critics:
            scores, seen = critic(x)
            logits.append(scores)
            features += seen
            x = halved(x)
        return logits, features


class ResidualCritic(nn.Module):
    """StructureFlow's critic of one scale: residual blocks with spectral norm.

    (N, 3, S, S) -> scores (N, 1, S / 8, S / 8). Layers are named as in the authors' files.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        self.model = nn.Sequential(
            _SpectralConv(3, width, 4, 2, 1),
            _Down(width, 2 * width),
            _Down(2 * width, 4 * width),
            _SpectralConv(4 * width, 1, 1, bias=False, activate=False),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures)


class ScaledResidualCritic(nn.Module):
    """Critics of the picture and of its half: (N, 3, S, S) -> two maps of scores."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.model_1, self.model_2 = ResidualCritic(width), ResidualCritic(width)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        return [self.model_1(pictures), self.model_2(halved(pictures))]


def halved(x: Tensor) -> Tensor:
    """(N, C, S, S) -> (N, C, S / 2, S / 2): means of 3 x 3, those at the border of what is there."""
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


class _SpectralConv(nn.Module):
    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        stride: int = 1,
        pad: int = 0,
        *,
        bias: bool = True,
        activate: bool = True,
    ):
        super().__init__()
        self.pad, self.activate = pad, activate
        self.conv = spectral_norm(nn.Conv2d(channels, width, kernel, stride, bias=bias))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.pad(x, [self.pad] * 4, mode="reflect") if self.pad else x)
        return F.leaky_relu(x, 0.2) if self.activate else x


class _Down(nn.Module):
    """Halves the map: two convolutions and a mean, beside a mean and a convolution of 1 x 1."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv_1 = nn.Sequential(
            _SpectralConv(channels, channels, 3, 1, 1), _SpectralConv(channels, width, 3, 1, 1), nn.AvgPool2d(2)
        )
        self.conv_2 = nn.Sequential(nn.AvgPool2d(2), _SpectralConv(channels, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_1(x) + self.conv_2(x)
