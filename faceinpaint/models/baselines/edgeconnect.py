"""EdgeConnect: edges first, then colours (Nazeri 2019, "EdgeConnect: generative image inpainting with adversarial edge
learning").

Layers are named as in the authors' files (github.com/knazeri/edge-connect), which :meth:`EdgeConnect.from_public`
reads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from faceinpaint.models.baselines.canny import canny_edges, grey_of
from faceinpaint.models.baselines.public_names import read_public
from faceinpaint.models.baselines.restorer import Restorer
from faceinpaint.models.state_dict import load_exactly


class EdgeConnect(Restorer):
    """An edge generator G1 and a completion network G2 (section 3).

    ``width``: channels of the first layer (the paper: 64); ``blocks``: residual blocks of each network (8); ``sigma``:
    of Canny's filter, pixels (2 at 256 px).
    """

    def __init__(self, width: int = 64, blocks: int = 8, sigma: float = 2.0):
        super().__init__()
        self.sigma = sigma
        self.edges = ResidualGenerator(3, 1, width, blocks, spectral=True)
        self.completion = ResidualGenerator(4, 3, width, blocks, spectral=False)

    @classmethod
    def from_public(cls, edges: str | Path, completion: str | Path, sigma: float = 2.0) -> EdgeConnect:
        """The paper's size with weights of the authors' ``EdgeModel_gen.pth`` and ``InpaintingModel_gen.pth``.

        Raises :class:`InputError` when a file is absent, damaged, or does not fit.
        """
        model = cls(sigma=sigma)
        for network, path in ((model.edges, edges), (model.completion, completion)):
            load_exactly(network, read_public(path, "generator"), path)
        return model

    def paint(self, images: Tensor, masks: Tensor) -> Tensor:
        """The network's whole picture (N, 3, S, S), not pasted into the hole. S is a multiple of 4.

        Edges outside the hole are Canny's, which does not look into the hole.
        """
        known = canny_edges(images, self.sigma, masks)
        return self.complete(images, masks, joined(self.draw_edges(images, masks, known), known, masks))

    def draw_edges(self, images: Tensor, masks: Tensor, known: Tensor) -> Tensor:
        """C_pred = G1(grey, C_gt, M) (equation 1): probabilities of an edge, (N, 1, S, S) in [0, 1].

        Of ``images`` and of their edges ``known`` (N, 1, S, S) only what lies outside the hole is seen.
        """
        grey = grey_of(images) * (1 - masks) + masks
        return torch.sigmoid(self.edges(torch.cat([grey, known * (1 - masks), masks], 1)))

    def complete(self, images: Tensor, masks: Tensor, edges: Tensor) -> Tensor:
        """I_pred = G2(I, C_comp) (equation 5): a picture (N, 3, S, S) in [-1, 1] along ``edges`` (N, 1, S, S)."""
        damaged = (images + 1) / 2 * (1 - masks) + masks  # the hole is white
        return torch.tanh(self.completion(torch.cat([damaged, edges], 1)))


def joined(drawn: Tensor, known: Tensor, masks: Tensor) -> Tensor:
    """C_comp (section 3.2): the ``drawn`` edges in the hole, the ``known`` ones outside, each (N, 1, S, S)."""
    return drawn * masks + known * (1 - masks)


class ResidualGenerator(nn.Module):
    """Encoder of stride 4, residual blocks of dilation 2, decoder (Johnson 2016; section 3 and appendix A).

    (N, inputs, H, W) -> (N, outputs, H, W), before the last activation. Instance norm follows each convolution but the
    last; ``spectral``: so does spectral norm, which scales kernels.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int, spectral: bool):
        super().__init__()
        scaled: Callable[[nn.Module], nn.Module] = spectral_norm if spectral else lambda layer: layer
        wide = 4 * width
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normed(scaled(nn.Conv2d(inputs, width, 7)), width),
            *_normed(scaled(nn.Conv2d(width, 2 * width, 4, 2, 1)), 2 * width),
            *_normed(scaled(nn.Conv2d(2 * width, wide, 4, 2, 1)), wide),
        )
        self.middle = nn.Sequential(*(_Residual(wide, scaled, bias=not spectral) for _ in range(blocks)))
        self.decoder = nn.Sequential(
            *_normed(scaled(nn.ConvTranspose2d(wide, 2 * width, 4, 2, 1)), 2 * width),
            *_normed(scaled(nn.ConvTranspose2d(2 * width, width, 4, 2, 1)), width),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, outputs, 7),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.middle(self.encoder(x)))


class _Residual(nn.Module):
    def __init__(self, width: int, scaled: Callable[[nn.Module], nn.Module], bias: bool):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(2),
            *_normed(scaled(nn.Conv2d(width, width, 3, dilation=2, bias=bias)), width),
            nn.ReflectionPad2d(1),
            scaled(nn.Conv2d(width, width, 3, bias=bias)),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


def _normed(conv: nn.Module, width: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return conv, nn.InstanceNorm2d(width), nn.ReLU()
