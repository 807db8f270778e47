"""Operations StyleGAN2 is built of (Karras 2020): equalised layers, modulated convolution, filtered resampling.

Written in differentiable torch operations alone, so that one code runs on CPU and CUDA, in any precision, and can be
differentiated twice. Parameter and buffer names are those of the public PyTorch checkpoints.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SQRT2 = math.sqrt(2)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, scaled by sqrt(2) to keep the variance."""
    return F.leaky_relu(x, 0.2) * SQRT2


class EqualLinear(nn.Module):
    """Linear layer whose weights are scaled at run time, so that all learn at one rate.

    (N, in_dim) -> (N, out_dim); ``activate`` adds :func:`leaky`.
    """

    def __init__(
        self, in_dim: int, out_dim: int, bias_init: float = 0, lr_multiplier: float = 1, activate: bool = False
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim).div_(lr_multiplier))
        self.bias = nn.Parameter(torch.full((out_dim,), float(bias_init)))
        self.scale = lr_multiplier / math.sqrt(in_dim)
        self.lr_multiplier = lr_multiplier
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias * self.lr_multiplier)
        return leaky(x) if self.activate else x


class EqualConv2d(nn.Module):
    """Convolution with run-time weight scaling: (N, in, H, W) -> (N, out, H', W')."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = 1 / math.sqrt(in_channels * kernel**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


class Blur(nn.Module):
    """Low-pass filter [1, 3, 3, 1] (outer product, sum ``gain``), after zero padding by ``pad`` (before, after)."""

    kernel: Tensor

    def __init__(self, pad: tuple[int, int], gain: float = 1):
        super().__init__()
        self.register_buffer("kernel", binomial_kernel(gain))
        self.pad = pad

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.pad
        if before == after:
            return depthwise(x, self.kernel, padding=before)
        return depthwise(F.pad(x, (before, after, before, after)), self.kernel)


class Upsample(nn.Module):
    """Doubles height and width with the binomial filter: (N, C, H, W) -> (N, C, 2H, 2W)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", binomial_kernel(gain=4))

    def forward(self, x: Tensor) -> Tensor:
        # Zero insertion, padding and convolution in one; in the picture's own precision, whatever autocast says.
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, 4, 4)
        with torch.autocast(x.device.type, enabled=False):
            return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)


def binomial_kernel(gain: float = 1) -> Tensor:
    """(4, 4) outer product of [1, 3, 3, 1], summing to ``gain``."""
    row = (1, 3, 3, 1)
    return torch.tensor([[a * b * gain / 64 for b in row] for a in row])


def depthwise(x: Tensor, kernel: Tensor, padding: int = 0) -> Tensor:
    """Convolve every channel of (N, C, H, W) with one (k, k) kernel, which is flipped as in the mathematical sense."""
    channels = x.shape[1]
    return F.conv2d(
        x, kernel.flip(0, 1).to(x.dtype).expand(channels, 1, *kernel.shape), padding=padding, groups=channels
    )


class ModulatedConv2d(nn.Module):
    """Convolution whose weights are scaled by a style, sample by sample (Karras 2020, equations 1 and 3).

    ``w'[n,o,i] = s[n,i] w[o,i]``, demodulated to ``w'' = w' / sqrt(sum_{i,k} w'^2 + 1e-8)``. Scaling inputs by ``s``
    and outputs by the demodulation is the same sum in another order, so no weights are made per sample and the whole
    batch goes through one convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        style_dim: int,
        demodulate: bool = True,
        up: bool = False,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, kernel, kernel))
        self.modulation = EqualLinear(style_dim, in_channels, bias_init=1)
        self.scale = 1 / math.sqrt(in_channels * kernel**2)
        self.padding = kernel // 2
        self.demodulate = demodulate
        self.up = up
        self.fixed: tuple[Tensor, Tensor] | None = None
        if up:
            self.blur = Blur(pad=(1, 1), gain=4)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (N, in, H, W), style (N, style_dim) -> (N, out, H, W), or twice the size when ``up``."""
        s = self.modulation(style)  # N, in
        kernel, energy = self.fixed or self._constants()
        x = x * s.to(x.dtype)[:, :, None, None]
        up, pad = self.up, self.padding
        x = self.blur(F.conv_transpose2d(x, kernel, stride=2)) if up else F.conv2d(x, kernel, padding=pad)
        if self.demodulate:
            with torch.autocast(x.device.type, enabled=False):
                norm = torch.rsqrt(s.float().square() @ energy.t() + 1e-8)  # N, out
            x = x * norm.to(x.dtype)[:, :, None, None]
        return x

    def fix(self, dtype: torch.dtype) -> None:
        """Compute now, once, what depends on the weights alone: they must not change or move any more."""
        kernel, energy = self._constants()
        self.fixed = kernel.to(dtype, memory_format=torch.channels_last), energy

    def _constants(self) -> tuple[Tensor, Tensor]:
        """The scaled kernel, as the convolution wants it, and the energy of its weights (out, in) in float32."""
        weight = self.weight[0] * self.scale  # out, in, k, k
        return weight.transpose(0, 1) if self.up else weight, weight.float().square().sum((2, 3))
