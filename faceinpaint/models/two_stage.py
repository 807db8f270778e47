"""The whole method: structure, then texture, each pasted into the hole."""

from __future__ import annotations

from torch import Tensor, nn

from faceinpaint.images import composite
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.texture import TextureGenerator


class TwoStage(nn.Module):
    """Restores images by both stages, or by one of them.

    structure: stage 1; None leaves it out (variant 1: the hole reaches stage 2 grey). texture: stage 2; None leaves it
    out (stage 1 alone).
    """

    def __init__(self, structure: StructureReconstructor | None, texture: TextureGenerator | None):
        super().__init__()
        self.structure, self.texture = structure, texture

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [-1, 1] and masks (N, 1, S, S), 1 in the hole -> restored pictures alike.

        Outside the hole the result is the input, bit for bit.
        """
        return self.second(self.first(images, masks), images, masks)

    def first(self, images: Tensor, masks: Tensor) -> Tensor:
        """The first stage's picture pasted into the hole; a grey hole without a first stage."""
        damaged = images * (1 - masks)
        if self.structure is None:
            return damaged
        return composite(self.structure(damaged).to(images.dtype), images, masks)

    def second(self, first: Tensor, images: Tensor, masks: Tensor) -> Tensor:
        """The first stage's picture refined by the second and pasted into the hole."""
        if self.texture is None:
            return first
        return composite(self.texture(first, masks).to(images.dtype), images, masks)
