"""The whole method: structure, then texture, each pasted into the hole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from faceinpaint.models.matching import matched
from faceinpaint.models.structure import StructureReconstructor, shrunk
from faceinpaint.models.texture import Attention, TextureGenerator
from faceinpaint.models.window import Windows
from faceinpaint.tensors import composite


@dataclass(frozen=True)
class First:
    """What the first stage gives the second: ``pasted``, its picture in the hole and the input outside, and
    ``whole``, its picture everywhere, where the second stage looks at it; both (N, 3, S, S)."""

    pasted: Tensor
    whole: Tensor | None = None


class Drawn(NamedTuple):
    """picture: the first stage's own, (N, 3, s, s); images: what it was shown, alike, in [-1, 1]; masks: (N, 1, s, s),
    the hole's share of a pixel."""

    picture: Tensor
    images: Tensor
    masks: Tensor


class TwoStage(nn.Module):
    """Restores images by both stages, or by one of them.

    structure: stage 1; None leaves it out (variant 1: the hole reaches stage 2 grey). texture: stage 2; None leaves it
    out (stage 1 alone). match_paste: stage 1's picture is made to meet the valid pixels, see :mod:`matching`.
    """

    def __init__(
        self,
        structure: StructureReconstructor | None,
        texture: TextureGenerator | None,
        match_paste: bool = False,
    ):
        super().__init__()
        self.structure, self.texture, self.match_paste = structure, texture, match_paste

    def forward(
        self,
        images: Tensor,
        masks: Tensor,
        window: int | None = None,
        attention: Attention | None = None,
        drawn: list[Drawn] | None = None,
    ) -> Tensor:
        """Images (N, 3, S, S) in [-1, 1] and masks (N, 1, S, S), 1 in the hole -> restored pictures alike.

        Outside the hole the result is the input, bit for bit. ``window``: side of a square that covers the hole, see
        :func:`window_side`; the last layers then work there only; the result is the same except for rounding.
        ``attention``: an empty dict, which is filled with stage 2's scores. ``drawn``: an empty list, which gets what
        stage 1 drew, where it draws whole pictures.
        """
        windows = Windows.around(masks, window) if window else None
        return self.second(self.first(images, masks, windows, drawn), images, masks, windows, attention)

    def first(
        self, images: Tensor, masks: Tensor, windows: Windows | None = None, drawn: list[Drawn] | None = None
    ) -> First:
        """The first stage's picture pasted into the hole; a grey hole without a first stage."""
        if self.structure is None:
            return First(images * (1 - masks))
        side = self.structure.image_size
        small, small_masks = shrunk(images, masks, side)
        seen = self.texture is not None and self.texture.see_first
        in_windows = side == images.shape[-1] and not self.match_paste and not seen
        picture = self.structure(small, small_masks, windows if in_windows else None)
        if in_windows:
            return First(_into_hole(picture, images, masks, windows))
        if drawn is not None:
            drawn.append(Drawn(picture, small, small_masks))
        return self.pasted(picture, images, masks)

    def pasted(self, picture: Tensor, images: Tensor, masks: Tensor) -> First:
        """The first stage's whole picture (N, 3, s, s), matched and enlarged (section 4.1), in the hole."""
        small, small_masks = shrunk(images, masks, picture.shape[-1])
        paste = matched(picture, small, small_masks) if self.match_paste else picture
        seen = self.texture is not None and self.texture.see_first
        whole = _enlarged(picture, images) if seen else None
        return First(_into_hole(_enlarged(paste, images), images, masks, None), whole)

    def second(
        self,
        first: First,
        images: Tensor,
        masks: Tensor,
        windows: Windows | None = None,
        attention: Attention | None = None,
    ) -> Tensor:
        """The first stage's picture refined by the second and pasted into the hole."""
        if self.texture is None:
            return first.pasted
        return _into_hole(self.texture(first.pasted, masks, first.whole, windows, attention), images, masks, windows)


def window_side(masks: np.ndarray) -> int:
    """A square of this side covers the hole of each of the masks uint8 (N, S, S); a multiple of S / 4, at least that.

    Few sizes: a picture's result depends, in the last bit, on the window's.
    """
    size = masks.shape[1]
    step = max(1, size // 4)
    longest = 0
    for axis in (1, 2):
        touched = masks.max(axis=axis) > 0  # N, S
        first, last = touched.argmax(1), size - touched[:, ::-1].argmax(1)
        longest = max(longest, int(((last - first) * touched.any(1)).max()))
    return min(size, max(step, -(-longest // step) * step))


def _into_hole(picture: Tensor, images: Tensor, masks: Tensor, windows: Windows | None) -> Tensor:
    picture = picture.to(images.dtype)
    return composite(picture if windows is None else windows.paste(picture, images), images, masks)


def _enlarged(picture: Tensor, images: Tensor) -> Tensor:
    """A smaller picture at the size of ``images``."""
    if picture.shape[-1] == images.shape[-1]:
        return picture
    return F.interpolate(picture.float(), size=images.shape[2:], mode="bilinear")
