"""The whole method: structure, then texture, each pasted into the hole."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.texture import TextureGenerator
from faceinpaint.models.window import Windows
from faceinpaint.tensors import composite


class TwoStage(nn.Module):
    """Restores images by both stages, or by one of them.

    structure: stage 1; None leaves it out (variant 1: the hole reaches stage 2 grey). texture: stage 2; None leaves it
    out (stage 1 alone).
    """

    def __init__(self, structure: StructureReconstructor | None, texture: TextureGenerator | None):
        super().__init__()
        self.structure, self.texture = structure, texture

    def forward(self, images: Tensor, masks: Tensor, window: int | None = None) -> Tensor:
        """Images (N, 3, S, S) in [-1, 1] and masks (N, 1, S, S), 1 in the hole -> restored pictures alike.

        Outside the hole the result is the input, bit for bit. ``window``: side of a square that covers the hole, see
        :func:`window_side`; the last layers then work there only, to the same result but for rounding.
        """
        windows = Windows.around(masks, window) if window else None
        return self.second(self.first(images, masks, windows), images, masks, windows)

    def first(self, images: Tensor, masks: Tensor, windows: Windows | None = None) -> Tensor:
        """The first stage's picture pasted into the hole; a grey hole without a first stage."""
        damaged = images * (1 - masks)
        if self.structure is None:
            return damaged
        return _into_hole(self.structure(damaged, windows), images, masks, windows)

    def second(self, first: Tensor, images: Tensor, masks: Tensor, windows: Windows | None = None) -> Tensor:
        """The first stage's picture refined by the second and pasted into the hole."""
        if self.texture is None:
            return first
        return _into_hole(self.texture(first, masks, windows), images, masks, windows)


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
