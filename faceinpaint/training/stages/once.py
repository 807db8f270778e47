"""What the phases of a step share is made once a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from faceinpaint.training.trainee import Batch

Made = TypeVar("Made")


class Once(Generic[Made]):
    """Keeps what was made of the last batch. Calls of the same batch get it again, others have it made."""

    def __init__(self) -> None:
        self._kept: tuple[Batch, Made] | None = None

    def __call__(self, batch: Batch, make: Callable[[], Made]) -> Made:
        if self._kept is None or self._kept[0] is not batch:
            self._kept = batch, make()
        return self._kept[1]

    def keep(self, batch: Batch, made: Made) -> None:
        """Note what was made on the way to something else."""
        self._kept = batch, made
