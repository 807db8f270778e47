"""What most compared methods have in common: they paint a whole picture, of which the hole is taken."""

from __future__ import annotations

from torch import Tensor, nn

from faceinpaint.tensors import composite


class Restorer(nn.Module):
    """A network that restores by painting whole pictures; a subclass paints."""

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [-1, 1], masks (N, 1, S, S) with 1 in the hole -> restored pictures alike."""
        return composite(self.paint(images, masks).to(images.dtype), images, masks)

    def paint(self, images: Tensor, masks: Tensor) -> Tensor:
        """The network's whole picture (N, 3, S, S), not pasted into the hole."""
        raise NotImplementedError
