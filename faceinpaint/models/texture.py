"""Stage 2: the texture generator (the paper, section 4 and figure 2)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from faceinpaint.models.attention import attention_scores, hole_patches, transfer
from faceinpaint.models.gated_conv import GatedConv
from faceinpaint.models.window import Windows
from faceinpaint.names import Upsampling

NOISE_SIDE = 128  # of the noise that is always the same; larger maps repeat it

Attention = dict[int, tuple[Tensor, Tensor]]  # scored level -> which patches are hole (N, P), and scores (N, P, P)


class TextureGenerator(nn.Module):
    """Paints detail onto the first stage's picture: gated encoder and decoder of six levels with attention transfer.

    The encoder makes one feature map a level. Attention scores of deep levels (``attention``: pairs of scored and
    filled level, the paper (6, 1), (5, 2), (4, 3)) fill the hole of shallow maps from their surroundings. Each decoder
    level concatenates the layer above it, the encoder's map (skip connection) and, where there is one, the filled map.

    ``strides``: of levels 1-6, each equal to or twice the one before. The first is 1, or that of a space-to-depth
    which brings the picture to level 1. ``patch``: side of an attention patch on the scored map. ``temperature``
    divides cosine scores. ``residual``: the output is added to the picture. ``see_first``: the first stage's whole
    picture goes in too. ``upsampling``: how the layer above reaches a finer level. ``noise``: each decoder level sees a
    channel of noise too (Karras 2019, section 3.2): hair and skin are partly chance, and a network without any can but
    repeat itself. It is drawn anew in training and is always the same otherwise.
    """

    noises: Tensor  # 5, 1, NOISE_SIDE, NOISE_SIDE, 1

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[int],
        attention: Sequence[tuple[int, int]] = ((6, 1), (5, 2), (4, 3)),
        patch: int = 1,
        temperature: float = 1.0,
        residual: bool = True,
        see_first: bool = False,
        upsampling: Upsampling = "nearest",
        noise: bool = False,
    ) -> None:
        super().__init__()
        assert len(widths) == len(strides) == 6
        self.strides = tuple(strides)
        self.scored = {filled: scored for scored, filled in attention}  # filled level -> scored level
        self.patch, self.temperature, self.residual, self.see_first = patch, temperature, residual, see_first
        self.upsampling, self.noise = upsampling, noise
        cell = strides[0] ** 2  # pixels of the picture in one of level 1
        self.encoder = nn.ModuleList(_encoder_levels((7 if see_first else 4) * cell, widths, strides))
        self.decoder = nn.ModuleList(_decoder_levels(widths, set(self.scored), noise))  # levels 5, 4, 3, 2, 1
        if noise:
            # On the CPU, also where a network without memory for its weights is made: no file fills it.
            chance = torch.Generator().manual_seed(0)
            drawn = torch.randn(5, 1, NOISE_SIDE, NOISE_SIDE, 1, generator=chance, device="cpu")
            self.register_buffer("noises", drawn, persistent=False)
        self.to_rgb = nn.Conv2d(widths[0], 3 * cell, kernel_size=3, padding=1)
        self.to_rgb.weight.data.mul_(0.1)  # start near the picture that is painted on

    def forward(
        self,
        picture: Tensor,
        mask: Tensor,
        first: Tensor | None = None,
        windows: Windows | None = None,
        attention: Attention | None = None,
    ) -> Tensor:
        """Picture (N, 3, S, S) in [-1, 1], hole filled by stage 1 or grey; mask (N, 1, S, S), 1 in the hole.

        ``first``: stage 1's whole picture (N, 3, S, S), if it is to be seen. S is a multiple of
        ``patch * strides[-1]``. Returns (N, 3, S, S), neither clamped nor composited; with ``windows`` of the picture
        only they are made, (N, 3, side, side). ``attention``: an empty dict that is to take the scores.
        """
        assert picture.shape[2] % (self.patch * self.strides[-1]) == 0, f"side {picture.shape[2]} does not fit"
        assert (first is not None) == self.see_first
        seen = (picture, mask) if first is None else (picture, mask, first)
        maps = self._encode(F.pixel_unshuffle(torch.cat(seen, dim=1), self.strides[0]))
        filled = self._fill(maps, mask, {} if attention is None else attention)
        windows = windows or Windows.whole(picture.shape[0], picture.shape[2], picture.device)
        below, *computed = self._windows_by_level(windows)
        x = below.cut(maps[6])
        for level, layer, here in zip((5, 4, 3, 2, 1), self.decoder, computed, strict=True):
            ratio = here.map_side // below.map_side
            above = x if ratio == 1 else F.interpolate(x, scale_factor=ratio, mode=self.upsampling)
            own = [here.cut(each) for each in (maps[level], *filled.get(level, ()), *self._noise(maps[level], level))]
            x = layer(torch.cat([here.cut(above, below.enlarged(ratio)), *own], dim=1))
            below = here
        cell = self.strides[0]
        residual = windows.cut(F.pixel_shuffle(self.to_rgb(x), cell), below.enlarged(cell))
        return windows.cut(picture) + residual if self.residual else residual

    def _windows_by_level(self, windows: Windows) -> list[Windows]:
        """Where the decoder needs levels 6 to 1 for the picture to be right in ``windows``."""
        computed = [windows.shrunk(self.strides[0]).grown(2)]  # the last two convolutions reach two pixels
        for stride, above in itertools.pairwise(self.strides):
            reach = 1 if above == stride or self.upsampling == "nearest" else 2  # bilinear looks at the next pixel too
            computed.insert(0, computed[0].shrunk(above // stride).grown(reach))
        return computed

    def _noise(self, like: Tensor, level: int) -> tuple[Tensor, ...]:
        """A decoder level's channel of noise, (N, 1, h, w) as the map ``like``; none where there is none."""
        if not self.noise:
            return ()
        n, _, height, width = like.shape
        if self.training:
            drawn = torch.randn(n, height, width, 1, device=like.device)
        else:
            times = -(-max(height, width) // NOISE_SIDE)
            drawn = self.noises[level - 1].repeat(n, times, times, 1)[:, :height, :width]
        return (drawn.to(like.dtype).permute(0, 3, 1, 2),)  # channels last in memory, as the maps it will lie beside

    def _encode(self, x: Tensor) -> dict[int, Tensor]:
        """All that is seen, (N, C, S / s, S / s) with level 1's stride s -> level 1-6: (N, width, S / stride, ...)."""
        maps = {}
        for level, layers in enumerate(self.encoder, start=1):
            x = maps[level] = layers(x)
        return maps

    def _fill(self, maps: dict[int, Tensor], mask: Tensor, scores: Attention) -> dict[int, tuple[Tensor]]:
        """Filled level -> its map with the hole filled by the attention of its scored level (section 4.2)."""
        for level in set(self.scored.values()):
            holes = hole_patches(mask, self.patch * self.strides[level - 1])
            scores[level] = holes, attention_scores(maps[level], holes, self.temperature)
        return {filled: (transfer(maps[filled], *scores[level]),) for filled, level in self.scored.items()}


def _encoder_levels(channels: int, widths: Sequence[int], strides: Sequence[int]) -> list[nn.Module]:
    """Level 1 is a single convolution (full resolution is costly); each other is a strided one and one that refines."""
    levels: list[nn.Module] = [GatedConv(channels, widths[0])]
    for i in range(1, 6):
        down = GatedConv(widths[i - 1], widths[i], stride=strides[i] // strides[i - 1])
        levels.append(nn.Sequential(down, GatedConv(widths[i], widths[i])))
    return levels


def _decoder_levels(widths: Sequence[int], filled: set[int], noise: bool) -> list[nn.Module]:
    """Levels 5 to 1: the layer above, the encoder's map, (``filled``) the attention-filled map and ``noise`` go in."""
    levels: list[nn.Module] = []
    for level in (5, 4, 3, 2, 1):
        own, above = widths[level - 1], widths[level]
        levels.append(GatedConv(above + own * (2 if level in filled else 1) + noise, own))
    return levels
