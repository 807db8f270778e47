"""PConv: the U-Net of partial convolutions (Liu 2018, "Image inpainting for irregular holes")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from faceinpaint.models.baselines.partial_conv import PartialConv
from faceinpaint.models.baselines.restorer import Restorer


class PConvUNet(Restorer):
    """Encoder of strided partial convolutions, decoder with skip connections (Liu 2018, section 3.2).

    ``width``: channels of the first layer (the paper: 64), doubled up to eightfold; ``layers``: of the encoder, each of
    stride 2 (the paper: 8, for 512 px).
    """

    def __init__(self, width: int = 64, layers: int = 8):
        super().__init__()
        widths = [3, *(width * min(2**i, 8) for i in range(layers))]
        kernels = [7, 5, 5] + [3] * layers
        self.encoder = nn.ModuleList(
            _Layer(widths[i], widths[i + 1], kernels[i], stride=2, norm=i > 0, activation=nn.ReLU())
            for i in range(layers)
        )
        self.decoder = nn.ModuleList(
            _Layer(widths[i + 1] + widths[i], widths[i] if i else 3, 3, norm=i > 0, activation=_decoding(i))
            for i in reversed(range(layers))
        )

    def paint(self, images: Tensor, masks: Tensor) -> Tensor:
        """The network's whole picture (N, 3, S, S), not pasted into the hole. S is a multiple of 2^layers."""
        known = 1 - masks
        maps = [(images * known, known)]
        for layer in self.encoder:
            maps.append(layer(*maps[-1]))
        x, known = maps.pop()
        for layer in self.decoder:
            skip, skip_known = maps.pop()
            x, known = F.interpolate(x, scale_factor=2), F.interpolate(known, scale_factor=2)
            assert isinstance(layer, _Layer)
            x, known = layer.joined(x, known, skip, skip_known)
        return x

    def freeze_statistics(self) -> None:
        """The fine-tuning phase: the encoder's batch norm keeps its statistics (Liu 2018, section 4.2)."""
        for module in self.encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


class _Layer(nn.Module):
    """Partial convolution, batch norm (``norm``; a bias otherwise) and activation."""

    def __init__(self, channels: int, width: int, kernel: int, *, stride: int = 1, norm: bool, activation: nn.Module):
        super().__init__()
        self.conv = PartialConv(channels, width, kernel, stride, bias=not norm)
        self.norm = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.activation = activation

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        x, known = self.conv(x, known)
        return self.activation(self.norm(x)), known

    def joined(self, x: Tensor, known: Tensor, skip: Tensor, skip_known: Tensor) -> tuple[Tensor, Tensor]:
        """Two maps side by side, each with its own known map: windows count the known values of both."""
        weights = torch.tensor([x.shape[1], skip.shape[1]], dtype=known.dtype, device=known.device)
        share = (known * weights[0] + skip_known * weights[1]) / weights.sum()
        kernel = self.conv.conv.kernel_size[0]
        seen = F.avg_pool2d(share, kernel, 1, padding=kernel // 2)
        now_known = (seen > 0).to(known.dtype)
        out = self.conv.conv(torch.cat([x * known, skip * skip_known], 1)) * (now_known / seen.clamp(min=1e-8))
        if self.conv.bias is not None:
            out = (out + self.conv.bias[:, None, None]) * now_known
        return self.activation(self.norm(out)), now_known


def _decoding(level: int) -> nn.Module:
    """The last layer gives the picture as it is."""
    return nn.LeakyReLU(0.2) if level else nn.Identity()
