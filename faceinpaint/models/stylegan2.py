"""StyleGAN2 generator and discriminator (Karras 2020), with the key names of the public PyTorch checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from faceinpaint.errors import InputError
from faceinpaint.models.ops import Blur, EqualConv2d, EqualLinear, ModulatedConv2d, Upsample, leaky
from faceinpaint.models.state_dict import last_index, load_exactly, read_checkpoint, unfilled
from faceinpaint.models.window import Windows

Noise = Literal["const", "random", "none"]

# Channels by resolution of the public FFHQ generators (config-f).
CONFIG_F = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}


class PixelNorm(nn.Module):
    """Scales each vector of (N, C) to unit mean square."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class ConstantInput(nn.Module):
    """The learned 4x4 picture every face starts from."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class NoiseInjection(nn.Module):
    """Adds one-channel noise, scaled by a learned weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return x + self.weight.to(x.dtype) * noise.to(x.dtype)


class BiasedLeaky(nn.Module):
    """Adds a bias per channel, then :func:`leaky`."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return leaky(x + self.bias.to(x.dtype)[:, None, None])


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias and activation: one style vector's layer."""

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, up: bool = False):
        super().__init__()
        self.conv = ModulatedConv2d(in_channels, out_channels, 3, style_dim, up=up)
        self.noise = NoiseInjection()
        self.activate = BiasedLeaky(out_channels)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        x = self.conv(x, style)
        if noise is not None:
            x = self.noise(x, noise)
        return self.activate(x)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to RGB, to be added to the upsampled picture of the resolution below."""

    def __init__(self, in_channels: int, style_dim: int, up: bool = True):
        super().__init__()
        self.conv = ModulatedConv2d(in_channels, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        if up:
            self.upsample = Upsample()

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        # The picture is summed in fp32: rounding here would be seen.
        return self.conv(x, style).float() + self.bias.float()


def picture_size(n_styles: int, where: str | Path) -> int:
    """The size of a generator of that many styles (rounded up). Raises :class:`InputError` for an unknown one."""
    size = 2 ** ((n_styles + 1) // 2 + 1)
    if size not in CONFIG_F or size < 8:
        raise InputError(
            f"{where} holds no public StyleGAN2 generator of 8 to 1024 px: its keys speak of {n_styles} styles"
        )
    return int(size)


class StyleGAN2Generator(nn.Module):
    """z -> W by a mapping network, W+ -> picture by modulated convolutions.

    Attributes: ``latent_avg`` (style_dim,) or None, the mean of W that came with a checkpoint; not part of the state.

    Args:
        size: side of the picture in pixels, a power of two from 8 to 1024.
        style_dim: width of z and W.
        mapping_layers: layers of the mapping network.
        channels: resolution -> channels; None takes the public config-f widths.
        lr_multiplier: learning-rate multiplier of the mapping network.
    """

    latent_avg: Tensor | None

    def __init__(
        self,
        size: int,
        style_dim: int = 512,
        mapping_layers: int = 8,
        channels: dict[int, int] | None = None,
        lr_multiplier: float = 0.01,
    ):
        super().__init__()
        channels = channels or CONFIG_F
        self.size, self.style_dim = size, style_dim
        self.register_buffer("latent_avg", None, persistent=False)
        mapping = [
            EqualLinear(style_dim, style_dim, lr_multiplier=lr_multiplier, activate=True) for _ in range(mapping_layers)
        ]
        self.style = nn.Sequential(PixelNorm(), *mapping)
        self.input = ConstantInput(channels[4])
        self.conv1 = StyledConv(channels[4], channels[4], style_dim)
        self.to_rgb1 = ToRGB(channels[4], style_dim, up=False)
        self.convs, self.to_rgbs, self.noises = nn.ModuleList(), nn.ModuleList(), nn.Module()
        self.noises.register_buffer("noise_0", torch.randn(1, 1, 4, 4))
        resolution, width = 8, channels[4]
        while resolution <= size:
            self.convs.append(StyledConv(width, channels[resolution], style_dim, up=True))
            self.convs.append(StyledConv(channels[resolution], channels[resolution], style_dim))
            self.to_rgbs.append(ToRGB(channels[resolution], style_dim))
            for i in (len(self.convs) - 1, len(self.convs)):
                self.noises.register_buffer(f"noise_{i}", torch.randn(1, 1, resolution, resolution))
            resolution, width = 2 * resolution, channels[resolution]

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> StyleGAN2Generator:
        """Read a public config-f generator: ``{"g_ema": state, "latent_avg": (style_dim,)}``, or its safetensors.

        Size and number of layers are the file's. Raises :class:`InputError`, listing the keys that do not fit.
        """
        checkpoint = read_checkpoint(path)
        state = dict(checkpoint.get("g_ema", checkpoint))
        latent_avg = state.pop("latent_avg", checkpoint.get("latent_avg"))
        with unfilled():
            generator = cls(picture_size(last_index(state, "convs.") + 3, path))
        load_exactly(generator, state, path)
        if latent_avg is not None:
            if not isinstance(latent_avg, Tensor) or latent_avg.shape != (generator.style_dim,):
                raise InputError(
                    f"{path} does not fit StyleGAN2Generator: latent_avg is not a vector of {generator.style_dim}"
                )
            generator.latent_avg = latent_avg.float()
        return generator.eval()

    @property
    def n_styles(self) -> int:
        """Vectors of W+: one per convolution, and one for the last picture layer."""
        return len(self.convs) + 2

    def map(self, z: Tensor) -> Tensor:
        """Latents (N, style_dim) ~ N(0, 1) -> W (N, style_dim)."""
        return self.style(z)

    @torch.no_grad()
    def mean_latent(self, samples: int = 4096, seed: int = 0) -> Tensor:
        """latent_avg: the mean of W over seeded latents, (style_dim,)."""
        z = torch.randn(samples, self.style_dim, generator=torch.Generator().manual_seed(seed))
        return self.map(z.to(self.input.input.device)).mean(0)

    def synthesize(self, w_plus: Tensor, noise: Noise = "const", windows: Windows | None = None) -> Tensor:
        """W+ (N, n_styles, style_dim) -> pictures (N, 3, size, size), about [-1, 1], not clamped.

        ``noise``: "const" takes the stored buffers, "random" draws afresh, "none" leaves it out. ``windows``: of the
        picture; then only they are made, (N, 3, side, side).
        """
        assert w_plus.shape[1:] == (self.n_styles, self.style_dim), w_plus.shape
        batch = w_plus.shape[0]
        w = w_plus.unbind(1)
        windows = windows or Windows.whole(batch, self.size, w_plus.device)
        x = self.input.input.expand(batch, -1, -1, -1)
        x = self.conv1(x, w[0], self._noise(0, batch, noise))
        picture = self.to_rgb1(x, w[1])
        below, *computed = _windows_by_resolution(windows)
        x, picture = below.cut(x), below.cut(picture)
        for i, (to_rgb, here) in enumerate(zip(self.to_rgbs, computed, strict=True)):
            assert isinstance(to_rgb, ToRGB)
            first = 2 * i  # index of the resolution's first convolution; its style is one further
            above = below.enlarged(2)
            x = self.convs[first](x, w[first + 1], self._noise(first + 1, batch, noise, above))
            x = here.cut(x, above)
            x = self.convs[first + 1](x, w[first + 2], self._noise(first + 2, batch, noise, here))
            picture = to_rgb(x, w[first + 3]) + here.cut(to_rgb.upsample(picture), above)
            below = here
        return windows.cut(picture, below)

    def _noise(self, layer: int, batch: int, kind: Noise, windows: Windows | None = None) -> Tensor | None:
        if kind == "none":
            return None
        stored: Tensor = getattr(self.noises, f"noise_{layer}")
        noise = stored if kind == "const" else torch.randn(batch, *stored.shape[1:], device=stored.device)
        return noise if windows is None else windows.cut(noise)

    def forward(self, z: Tensor, noise: Noise = "random") -> Tensor:
        """Latents (N, style_dim) -> pictures (N, 3, size, size)."""
        return self.synthesize(self.map(z)[:, None].expand(-1, self.n_styles, -1), noise)


def _windows_by_resolution(windows: Windows) -> list[Windows]:
    """Where each resolution must be computed, from 4 px up, for the last one to be right in ``windows``."""
    computed = [windows.grown(1)]  # what the second convolution of a resolution reaches
    while computed[0].map_side > 8:
        # The first one, with its filter, and the picture's filter reach less than two pixels below.
        computed.insert(0, computed[0].shrunk(2).grown(2 + 1))
    return [computed[0].shrunk(2).grown(4), *computed]


class ResidualDown(nn.Module):
    """Discriminator block: two convolutions and a skip, halving the size."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = nn.Sequential(
            EqualConv2d(in_channels, in_channels, 3, padding=1, bias=False), BiasedLeaky(in_channels)
        )
        self.conv2 = nn.Sequential(
            Blur(pad=(2, 2)),
            EqualConv2d(in_channels, out_channels, 3, stride=2, bias=False),
            BiasedLeaky(out_channels),
        )
        self.skip = nn.Sequential(Blur(pad=(1, 1)), EqualConv2d(in_channels, out_channels, 1, stride=2, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / 2**0.5


class Discriminator(nn.Module):
    """StyleGAN2's residual discriminator: pictures (N, inputs, size, size) in [-1, 1] -> logits (N,)."""

    def __init__(self, size: int, channels: dict[int, int] | None = None, inputs: int = 3):
        super().__init__()
        channels = channels or CONFIG_F
        layers: list[nn.Module] = [EqualConv2d(inputs, channels[size], 1, bias=False), BiasedLeaky(channels[size])]
        resolution = size
        while resolution > 4:
            layers.append(ResidualDown(channels[resolution], channels[resolution // 2]))
            resolution //= 2
        self.body = nn.Sequential(*layers)
        self.final = nn.Sequential(
            EqualConv2d(channels[4] + 1, channels[4], 3, padding=1, bias=False), BiasedLeaky(channels[4])
        )
        self.head = nn.Sequential(
            EqualLinear(channels[4] * 16, channels[4], activate=True), EqualLinear(channels[4], 1)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.body(pictures)
        x = self.final(torch.cat([x, minibatch_deviation(x)], 1))
        return self.head(x.flatten(1)).squeeze(1).float()


def minibatch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """Mean standard deviation over groups of samples, as one feature map: (N, C, H, W) -> (N, 1, H, W).

    Lets the discriminator see a lack of variety (Karras 2018). Groups hold up to ``group`` samples and split N evenly.
    """
    batch, channels, height, width = x.shape
    group = next(g for g in range(min(group, batch), 0, -1) if batch % g == 0)
    grouped = x.float().view(group, batch // group, channels, height, width)
    deviation = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))  # N / group
    return deviation.repeat(group).view(batch, 1, 1, 1).expand(-1, 1, height, width).to(x.dtype)
