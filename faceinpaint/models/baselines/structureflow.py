"""StructureFlow: smooth structure first, then texture that flows in from elsewhere (Ren 2019, "StructureFlow: image
inpainting via structure-aware appearance flow").

Layers are named as in the authors' files (github.com/RenYurui/StructureFlow), which :meth:`StructureFlow.from_public`
reads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from faceinpaint.models.baselines.gaussian_sampling import gaussian_sample
from faceinpaint.models.baselines.public_names import read_public
from faceinpaint.models.baselines.restorer import Restorer
from faceinpaint.models.baselines.smooth import relative_total_variation
from faceinpaint.models.state_dict import load_exactly

INPUTS = 7  # two pictures and a mask


class StructureFlow(Restorer):
    """A structure reconstructor G_s and a texture generator G_t (section 3).

    ``width``: of the first layers (the paper: 64); ``structure_blocks``, ``texture_blocks``: residual blocks before
    each doubling (4 and 2); ``scale``: of the window of :func:`relative_total_variation`, pixels (3 at 256 px).
    """

    def __init__(self, width: int = 64, structure_blocks: int = 4, texture_blocks: int = 2, scale: float = 3.0):
        super().__init__()
        self.scale = scale
        self.structure = StructureGenerator(width, structure_blocks)
        self.texture = TextureByFlow(width, texture_blocks)

    @classmethod
    def from_public(cls, structure: str | Path, texture: str | Path, scale: float = 3.0) -> StructureFlow:
        """The paper's size with weights of the authors' ``..._net_s_gen.pth`` and ``..._net_f_gen.pth``.

        Raises :class:`InputError` when a file is absent, damaged, or does not fit.
        """
        model = cls(scale=scale)
        for network, path in ((model.structure, structure), (model.texture, texture)):
            load_exactly(network, read_public(path), path)
        return model

    def paint(self, images: Tensor, masks: Tensor) -> Tensor:
        """The network's whole picture (N, 3, S, S), not pasted into the hole. S is a multiple of 16, at least 32."""
        smooth = relative_total_variation(images, masks, scale=self.scale)
        return self.add_texture(images, masks, self.reconstruct(images, masks, smooth))[0]

    def reconstruct(self, images: Tensor, masks: Tensor, smooth: Tensor) -> Tensor:
        """S_pred = G_s(I, S, M) (equation 1): the structure (N, 3, S, S) in [-1, 1].

        Of ``images`` and their smooth versions ``smooth`` (N, 3, S, S) only what lies outside the hole is seen.
        """
        return self.structure(torch.cat([images * (1 - masks), smooth * (1 - masks), masks], 1))

    def add_texture(self, images: Tensor, masks: Tensor, structure: Tensor) -> tuple[Tensor, Tensor]:
        """G_t(I, S_pred, M) (equation 5): a picture (N, 3, S, S) in [-1, 1], its flow (N, 2, S / 4, S / 4) in cells."""
        return self.texture(torch.cat([images * (1 - masks), structure, masks], 1))


class StructureGenerator(nn.Module):
    """(N, 7, S, S) -> (N, 3, S, S) in [-1, 1]: an encoder of stride 8 and a decoder, with convolved skips between."""

    def __init__(self, width: int, blocks: int):
        super().__init__()
        w = [width, 2 * width, 4 * width, 8 * width]
        conv = lambda *sizes: _Conv(*sizes, spectral=True)  # noqa: E731
        self.input_layer = conv(INPUTS, w[0], 7)
        self.down_sample = nn.ModuleList(
            [
                nn.Sequential(conv(w[0], w[1], 4, 2), conv(w[1], w[1], 5)),
                nn.Sequential(conv(w[1], w[2], 4, 2), conv(w[2], w[2], 5)),
                nn.Sequential(conv(w[2], w[3], 4, 2)),
            ]
        )
        self.up_sample = nn.ModuleList(
            nn.Sequential(_Residuals(blocks, w[i]), nn.Upsample(scale_factor=2), conv(w[i], w[i - 1], 5))
            for i in (3, 2, 1)
        )
        self.content_param = nn.ModuleList(_Conv(w[i], w[i], 5) for i in (2, 1, 0))
        self.image_net = _ToPicture(w[0])

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.input_layer(x)]
        for down in self.down_sample:
            maps.append(down(maps[-1]))
        x = maps.pop()
        for up, skip in zip(self.up_sample, self.content_param, strict=True):
            x = up(x) + skip(maps.pop())
        return self.image_net(x)


class TextureByFlow(nn.Module):
    """(N, 7, S, S) -> a picture (N, 3, S, S) in [-1, 1], and the appearance flow behind it (section 3.2)."""

    def __init__(self, width: int, blocks: int):
        super().__init__()
        self.flow_column = _FlowColumn(width, blocks)
        self.conv_column = _PictureColumn(width, blocks)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        flow = self.flow_column(x)
        return self.conv_column(x, flow), flow


class _FlowColumn(nn.Module):
    """(N, 7, S, S) -> flow (N, 2, S / 4, S / 4), in cells of that size: a U-Net down to S / 16."""

    def __init__(self, width: int, blocks: int):
        super().__init__()
        w = [width // 2, width, 2 * width, 4 * width, 8 * width]
        pair = lambda i: (_Conv(w[i], w[i + 1], 4, 2), _Conv(w[i + 1], w[i + 1], 5))  # noqa: E731
        self.down_sample_flow = nn.ModuleList(
            [nn.Sequential(_Conv(INPUTS, w[0], 7), *pair(0)), *(nn.Sequential(*pair(i)) for i in (1, 2, 3))]
        )
        self.up_sample_flow = nn.ModuleList(
            [
                nn.Sequential(_Residuals(blocks, w[4]), _Doubled(w[4], w[3])),
                nn.Sequential(_Conv(w[4], w[3], 5), _Residuals(blocks, w[3]), _Doubled(w[3], w[2])),
            ]
        )
        self.location = nn.Sequential(_Conv(w[3], w[1], 5), _Conv(w[1], 2, 3, norm=None, activation=None, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for down in self.down_sample_flow:
            x = down(x)
            maps.append(x)
        x = torch.cat([self.up_sample_flow[0](maps[3]), maps[2]], 1)
        return self.location(torch.cat([self.up_sample_flow[1](x), maps[1]], 1))


class _PictureColumn(nn.Module):
    """Paints at S / 8 and up, with features at S / 4 sampled by the flow through a wide and a narrow window."""

    def __init__(self, width: int, blocks: int):
        super().__init__()
        half, w = width // 2, [width, 2 * width, 4 * width, 8 * width]
        conv = lambda *sizes: _Conv(*sizes, norm=_LayerNorm)  # noqa: E731
        grow = lambda i: (_Residuals(blocks, w[i], _LayerNorm), nn.Upsample(scale_factor=2), conv(w[i], w[i - 1], 5))  # noqa: E731
        first = (conv(INPUTS, half, 7), conv(half, w[0], 4, 2), conv(w[0], w[0], 5))
        self.down_sample = nn.ModuleList(
            [
                nn.Sequential(*first, conv(w[0], w[1], 4, 2), conv(w[1], w[1], 5)),
                nn.Sequential(conv(w[1], w[2], 5), conv(w[2], w[3], 4, 2)),
            ]
        )
        self.up_sample = nn.ModuleList(
            [nn.Sequential(*grow(3)), nn.Sequential(conv(w[3], w[2], 5), *grow(2), *grow(1), _ToPicture(w[0]))]
        )

    def forward(self, x: Tensor, flow: Tensor) -> Tensor:
        near = self.down_sample[0](x)
        wide, narrow = gaussian_sample(near, flow, 16, 4.0), gaussian_sample(near, flow, 4, 2.0)
        far = self.up_sample[0](self.down_sample[1](near))
        return self.up_sample[1](torch.cat([far, wide.to(far.dtype), narrow.to(far.dtype)], 1))


class _LayerNorm(nn.Module):
    """Over channels and positions of each picture, with a scale and a shift for each channel."""

    def __init__(self, width: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width, 1, 1)), nn.Parameter(torch.zeros(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, 1, self.weight.flatten(), self.bias.flatten())


Norm = Callable[[int], nn.Module] | None


class _Conv(nn.Module):
    """Convolution on a mirrored border (a repeated one where the map is too small for that), norm, activation."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        stride: int = 1,
        *,
        norm: Norm = nn.InstanceNorm2d,
        activation: Callable[[Tensor], Tensor] | None = F.relu,
        spectral: bool = False,
        bias: bool = True,
    ):
        super().__init__()
        self.pad, self.activation = (kernel - 1) // 2, activation
        conv = nn.Conv2d(channels, width, kernel, stride, bias=bias)
        self.conv = spectral_norm(conv) if spectral else conv
        self.norm = norm(width) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        border = "reflect" if min(x.shape[2:]) > self.pad else "replicate"
        x = self.norm(self.conv(F.pad(x, [self.pad] * 4, mode=border)))
        return self.activation(x) if self.activation else x


class _Doubled(nn.Module):
    """Transposed convolution of stride 2, instance norm, ReLU."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.transConv = nn.ConvTranspose2d(channels, width, 6, 2, 2)
        self.norm = nn.InstanceNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.transConv(x)))


class _Residuals(nn.Module):
    def __init__(self, count: int, width: int, norm: Norm = nn.InstanceNorm2d):
        super().__init__()
        self.model = nn.Sequential(*(_Residual(width, norm) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class _Residual(nn.Module):
    def __init__(self, width: int, norm: Norm):
        super().__init__()
        self.model = nn.Sequential(
            _Conv(width, width, 3, norm=norm), _Conv(width, width, 3, norm=norm, activation=None)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.model(x)


class _ToPicture(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.conv = _Conv(width, 3, 3, norm=None, activation=torch.tanh)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)
