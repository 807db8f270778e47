"""RFR: recurrent feature reasoning (Li 2020, "Recurrent feature reasoning for image inpainting")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from faceinpaint.models.baselines.partial_conv import PartialConv
from faceinpaint.models.baselines.restorer import Restorer

Memory = tuple[Tensor, Tensor] | None  # attention scores (N, P, P) and known map (N, P, 1) of the recurrence before


class RFRNet(Restorer):
    """Closes the hole from its edge inwards: each recurrence grows the known area and reasons on features there.

    ``width``: channels at half size (the paper: 64); ``recurrences``: the paper's 6.
    """

    def __init__(self, width: int = 64, recurrences: int = 6):
        super().__init__()
        self.recurrences = recurrences
        self.head = nn.ModuleList([_Known(3, width, 7, stride=2), _Known(width, width, 7)])
        # Area identification: the same two layers at every recurrence (section 3.1).
        self.grow = nn.ModuleList([PartialConv(width, width, 7), PartialConv(width, width, 7)])
        self.grow_norm = nn.BatchNorm2d(width)
        self.reason = FeatureReasoning(width)
        self.up = nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False)
        self.up_norm = nn.BatchNorm2d(width)
        half = width // 2
        self.tail = PartialConv(width + 3, half, 3)
        self.refine = _Bottleneck(half)
        self.to_rgb = nn.Conv2d(2 * half, 3, 3, padding=1, bias=False)

    def paint(self, images: Tensor, masks: Tensor) -> Tensor:
        """The network's whole picture (N, 3, S, S), not pasted into the hole. S is a multiple of 16."""
        known = 1 - masks
        damaged = images * known
        x, seen = damaged, known
        for layer in self.head:
            x, seen = layer(x, seen)
        total, count = x * seen, seen
        memory: Memory = None  # belongs to this picture alone: nothing of it outlives the call
        for _ in range(self.recurrences):
            for layer in self.grow:
                x, seen = layer(x, seen)
            x, memory = self.reason(F.leaky_relu(self.grow_norm(x)), seen, memory)
            x = x * seen
            total, count = total + x, count + seen
        merged = total / count.clamp(min=1e-7)  # adaptive feature merging: the mean over recurrences that know it
        x = F.leaky_relu(self.up_norm(self.up(merged)))
        return self._finish(damaged, known, x, F.interpolate(seen, scale_factor=2))

    def _finish(self, damaged: Tensor, known: Tensor, x: Tensor, seen: Tensor) -> Tensor:
        """Last layers at full size; the picture's and the features' known maps differ, so windows count both."""
        width, kernel = x.shape[1], self.tail.conv.kernel_size[0]
        share = (known * 3 + seen * width) / (3 + width)
        window = F.avg_pool2d(share, kernel, 1, padding=kernel // 2)
        x = self.tail.conv(torch.cat([damaged * known, x * seen], 1)) * ((window > 0) / window.clamp(min=1e-8))
        x = F.leaky_relu(x)
        return self.to_rgb(torch.cat([x, self.refine(x)], 1))

    def freeze_statistics(self) -> None:
        """The fine-tuning phase: batch norm keeps its statistics."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


class FeatureReasoning(nn.Module):
    """An encoder-decoder on half-size features with knowledge-consistent attention at an eighth (section 3.2)."""

    def __init__(self, width: int):
        super().__init__()
        w = [width, 2 * width, 4 * width, 8 * width]
        down = [_encoding(nn.Conv2d(w[i], w[i + 1], 3, 2, 1, bias=False)) for i in range(3)]
        wide = [_encoding(nn.Conv2d(w[3], w[3], 3, padding=2, dilation=2, bias=False)) for _ in range(3)]
        self.encoder = nn.ModuleList(down + wide)
        self.decoder = nn.ModuleList(
            [_decoding(nn.Conv2d(2 * w[3], w[3], 3, padding=2, dilation=2, bias=False)) for _ in range(2)]
            + [_decoding(nn.ConvTranspose2d(2 * w[3], w[3], 4, 2, 1, bias=False))]
            + [_decoding(nn.ConvTranspose2d(w[3] + w[2], w[2], 4, 2, 1, bias=False))]
            + [_decoding(nn.ConvTranspose2d(w[2] + w[1], w[0], 4, 2, 1, bias=False))]
        )
        self.attention = KnowledgeConsistentAttention(w[3])

    def forward(self, x: Tensor, known: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Features (N, width, h, w) and known map (N, 1, h, w) -> features alike, and what attention remembers."""
        maps = []
        for layer in self.encoder:
            x = layer(x)
            maps.append(x)
        maps.pop()
        for i, layer in enumerate(self.decoder):
            x = layer(torch.cat([x, maps.pop()], 1))
            if i == 2:
                x, memory = self.attention(x, known, memory)
        return x, memory


class KnowledgeConsistentAttention(nn.Module):
    """Attention whose scores are blended with those of the recurrence before, where that was known (section 3.3)."""

    def __init__(self, width: int):
        super().__init__()
        self.ratio = nn.Parameter(torch.ones(1))  # lambda of equation 5
        self.combine = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor, known: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Features (N, C, h, w), known map of any size, memory -> features alike, memory."""
        n, channels, height, width = x.shape
        known = F.interpolate(known, (height, width)).flatten(2).transpose(1, 2)  # N, P, 1
        queries = x.flatten(2).transpose(1, 2)  # N, P, C
        keys = F.normalize(queries * known + 1e-7, dim=2)
        similarity = keys @ queries.transpose(1, 2)  # N, key, query
        # Scores are smoothed over the query's 3x3 neighbours (equation 3: a sum, hence the 9).
        smooth = F.avg_pool2d(similarity.view(n, -1, height, width), 3, 1, 1).flatten(2) * 9
        scores = smooth.softmax(1).transpose(1, 2)  # N, query, key
        if memory is not None:
            before, weight = memory
            ratio = self.ratio.abs() + 1e-7
            scores = (before * weight + scores * ratio) / (weight + ratio)
        filled = (scores @ keys).transpose(1, 2).reshape(n, channels, height, width)
        return self.combine(torch.cat([filled, x], 1)), (scores, known)


class _Known(nn.Module):
    """Partial convolution, batch norm, ReLU."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = PartialConv(channels, width, kernel, stride)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        x, known = self.conv(x, known)
        return F.relu(self.norm(x)), known


class _Bottleneck(nn.Module):
    """Residual block of 1x1, 3x3, 1x1 convolutions through a quarter of the channels (He 2016)."""

    def __init__(self, width: int):
        super().__init__()
        inner = max(1, width // 4)
        self.layers = nn.Sequential(
            *(nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
            *(nn.Conv2d(inner, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
            *(nn.Conv2d(inner, width, 1, bias=False), nn.BatchNorm2d(width)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.layers(x))


def _encoding(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU())


def _decoding(conv: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.LeakyReLU(0.2))
