"""StyleGAN2's operations against formulas written out: one sample, one output pixel's sum at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from faceinpaint.models.ops import Blur, ModulatedConv2d, Upsample


def convolve(plane: Tensor, kernel: Tensor) -> Tensor:
    """The mathematical convolution of (H, W) with (k, k), kept where the two overlap fully."""
    side = kernel.shape[0]
    rows, columns = plane.shape[0] - side + 1, plane.shape[1] - side + 1
    out = torch.zeros(rows, columns, dtype=plane.dtype)
    for i in range(side):
        for j in range(side):
            out += kernel[i, j] * plane[side - 1 - i : side - 1 - i + rows, side - 1 - j : side - 1 - j + columns]
    return out


def with_zeros(plane: Tensor, before: int, after: int, spread: int = 1) -> Tensor:
    """Zeros between the pixels, then around them."""
    height, width = plane.shape
    wide = torch.zeros(height * spread, width * spread, dtype=plane.dtype)
    wide[::spread, ::spread] = plane
    return F.pad(wide, (before, after, before, after))


def modulated(layer: ModulatedConv2d, x: Tensor, style: Tensor) -> Tensor:
    """Karras 2020, equations 1 and 3, with weights made for each sample."""
    results = []
    for sample, w in zip(x, style, strict=True):
        s = layer.modulation(w[None])[0]
        weight = layer.weight[0] * layer.scale * s[None, :, None, None]
        if layer.demodulate:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if layer.up:
            y = F.conv_transpose2d(sample[None], weight.transpose(0, 1), stride=2)[0]
            y = torch.stack([convolve(with_zeros(plane, 1, 1), layer.blur.kernel) for plane in y])
        else:
            y = F.conv2d(sample[None], weight, padding=layer.padding)[0]
        results.append(y)
    return torch.stack(results)


@torch.no_grad()
@pytest.mark.parametrize(("kernel", "demodulate", "up"), [(3, True, False), (3, True, True), (1, False, False)])
def test_modulated_convolution(kernel: int, demodulate: bool, up: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(5, 4, kernel, style_dim=6, demodulate=demodulate, up=up).double()
    if up:
        layer.blur.kernel.copy_(torch.rand(4, 4))
    x, style = torch.randn(3, 5, 7, 7).double(), torch.randn(3, 6).double()
    # The demodulation is computed in fp32 whatever the input's precision.
    torch.testing.assert_close(layer(x, style), modulated(layer, x, style), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_blur_and_upsampling_convolve_with_the_stored_kernel() -> None:
    torch.manual_seed(1)
    plane = torch.randn(6, 6)
    blur, upsample = Blur(pad=(2, 1)), Upsample()
    for layer in (blur, upsample):
        layer.kernel.copy_(torch.rand(4, 4))
    torch.testing.assert_close(blur(plane[None, None])[0, 0], convolve(with_zeros(plane, 2, 1), blur.kernel))
    expected = convolve(with_zeros(plane, 2, 1, spread=2), upsample.kernel)
    torch.testing.assert_close(upsample(plane[None, None])[0, 0], expected)
