"""Context encoder: the picture through a narrow middle and back (Pathak 2016, "Context encoders").

Layers and widths are those of the authors' code for random regions (github.com/pathak22/context-encoder,
train_random.lua), which paints the whole picture whatever the hole: the paper's other network knows a hole of 64 px in
the middle of 128 px alone.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from faceinpaint.models.baselines.restorer import Restorer


class ContextEncoder(Restorer):
    """Encoder, bottleneck and decoder of strided 4x4 convolutions (Pathak 2016, section 3.1 and figure 9a).

    ``width``: channels of the first layer (the paper: 64); ``bottleneck``: of the middle (the paper: 4000); ``layers``:
    halvings of the side before the 4x4 middle (the paper: 5, for 128 px). A picture larger than 4 * 2^layers gets a
    larger middle. The hole comes in grey, where the authors' code takes the mean colour of ImageNet.
    """

    def __init__(self, width: int = 64, bottleneck: int = 4000, layers: int = 5):
        super().__init__()
        widths = level_widths(width, layers)
        self.encoder = nn.Sequential(
            *downwards(3, widths), *_normed(nn.Conv2d(widths[-1], bottleneck, 4, bias=False), nn.LeakyReLU(0.2))
        )
        ups = [_up(above, below) for above, below in zip(widths[:0:-1], widths[-2::-1], strict=True)]
        self.decoder = nn.Sequential(
            *_normed(nn.ConvTranspose2d(bottleneck, widths[-1], 4, bias=False), nn.ReLU()),
            *(layer for up in ups for layer in up),
            *(nn.ConvTranspose2d(widths[0], 3, 4, 2, 1, bias=False), nn.Tanh()),
        )
        self.apply(start_small)

    def paint(self, images: Tensor, masks: Tensor) -> Tensor:
        """The whole picture (N, 3, S, S) in [-1, 1], not pasted. S is a multiple of 2^layers, at least 4 * 2^layers."""
        return self.decoder(self.encoder(images * (1 - masks)))


class ContextCritic(nn.Module):
    """The discriminator of whole pictures (Pathak 2016, section 3.2.2): (N, 3, S, S) -> logits (N,), higher: more real.

    Sizes as in :class:`ContextEncoder`; of a picture larger than 4 * 2^layers the mean logit is taken.
    """

    def __init__(self, width: int = 64, layers: int = 5):
        super().__init__()
        widths = level_widths(width, layers)
        self.layers = nn.Sequential(*downwards(3, widths), nn.Conv2d(widths[-1], 1, 4, bias=False))
        self.apply(start_small)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).mean((1, 2, 3))


def level_widths(width: int, layers: int) -> list[int]:
    """Channels after each halving: the last three double up to eightfold, those before have the first's."""
    return [width * min(8, max(1, 2 ** (i - layers + 4))) for i in range(layers)]


def downwards(channels: int, widths: list[int]) -> list[nn.Module]:
    """A halving per width; the first has no batch norm."""
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for above, below in itertools.pairwise(widths):
        layers += _normed(nn.Conv2d(above, below, 4, 2, 1, bias=False), nn.LeakyReLU(0.2))
    return layers


def start_small(module: nn.Module) -> None:
    """Initial weights of the authors' code: N(0, 0.02), scales of batch norms N(1, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)


def _up(channels: int, width: int) -> list[nn.Module]:
    return _normed(nn.ConvTranspose2d(channels, width, 4, 2, 1, bias=False), nn.ReLU())


def _normed(conv: nn.Conv2d | nn.ConvTranspose2d, activation: nn.Module) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), activation]
