"""The critics DeepFill is trained against: of a picture and its hole (Yu 2018), and of patches (Yu 2019)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class DenseCritic(nn.Module):
    """DeepFill v1's critic of pictures, or of windows at the hole (Yu 2018, section 3.2): (N, 3, S, S) -> (N,).

    Unbounded, higher is more real. One 5x5 convolution of stride 2 per width, then one dense layer, so ``side`` S is
    fixed (without the authors' bias, which no difference of scores shows). Their widths: 64, 128, 256, 256 for the
    picture and 64, 128, 256, 512 for the window.
    """

    def __init__(self, widths: Sequence[int], side: int):
        super().__init__()
        layers: list[nn.Module] = []
        for channels, width in zip((3, *widths), widths, strict=False):
            layers += [nn.Conv2d(channels, width, 5, 2, 2), nn.LeakyReLU(0.2)]
            side = (side + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * side**2, 1, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).squeeze(1)


class PatchGAN(nn.Module):
    """SN-PatchGAN (Yu 2019, section 3.3): a score for each of many patches, higher is more real.

    Picture and mask side by side (N, 4, S, S) -> (N, C, s, s). One spectrally normalised 5x5 convolution (Miyato 2018)
    of stride 2 per width; all channels and positions of the last are scores. The authors' widths: 64, 128, 256, 256,
    256, 256.
    """

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        layers: list[nn.Module] = []
        for channels, width in zip((4, *widths), widths, strict=False):
            layers += [spectral_norm(nn.Conv2d(channels, width, 5, 2, 2)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, seen: Tensor) -> Tensor:
        return self.layers(seen)
