"""What the phases of a step share is made once for each part of its batch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from faceinpaint.training.trainee import Batch


class Once:
    """Keeps what was made in a step: the same part of its batch gets it again, others have it made."""

    def __init__(self) -> None:
        # Where a part's images lie -> they, held so that the place stays theirs, and what was made.
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, batch: Batch, make: Callable[[], Tensor]) -> Tensor:
        kept = self._kept.get(batch.images.data_ptr())
        if kept is None:
            made = make()
            self.keep(batch, made)
            return made
        return kept[1]

    def keep(self, batch: Batch, made: Tensor) -> None:
        """Note what was made on the way to something else."""
        self._kept[batch.images.data_ptr()] = batch.images, made

    def forget(self) -> None:
        """A new step begins."""
        self._kept.clear()
