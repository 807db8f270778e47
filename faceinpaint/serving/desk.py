"""What the review page does, apart from how it looks: show, decide, undo, restore on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from faceinpaint.encoding import mask_png
from faceinpaint.errors import InputError
from faceinpaint.inference.proposals import ProposalRow, read_proposals
from faceinpaint.photos.decode import decode_rgb
from faceinpaint.photos.photo import read_photo
from faceinpaint.serving.decisions import Decision, Decisions, Verdict
from faceinpaint.serving.pictures import Pictures
from faceinpaint.serving.preview import merged, preview_size, shrunk, shrunk_mask
from faceinpaint.serving.queue import ReviewQueue

Restore = Callable[[str, bytes, bytes], bytes]  # key, picture, mask PNG -> the restored file; InputError says why not


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture on somebody's screen.

    version: of its decision as they see it; preview: uint8 (h, w, 3); mask: its mask at that size, uint8 (h, w);
    height, width: of the picture itself.
    """

    row: ProposalRow
    version: str | None
    preview: np.ndarray
    mask: np.ndarray
    height: int
    width: int


class Desk:
    """The review of one detection folder by any number of people."""

    def __init__(self, output: str, pictures: Pictures, restore: Restore):
        self.pictures, self.restore_picture = pictures, restore
        self.decisions = Decisions(output)
        self.queue = ReviewQueue(read_proposals(output), self.decisions.latest)

    def next(self, person: str) -> Shown | None:
        """The next picture for a person; None when all is decided or in others' hands. One that cannot be read is
        put behind the others."""
        for _ in range(len(self.queue.rows)):
            row = self.queue.take(person)
            if row is None:
                return None
            try:
                return self.show(row)
            except InputError:
                self.queue.skip(row.key, person)
        return None

    def show(self, row: ProposalRow) -> Shown:
        """A picture with the mask in force. Raises :class:`InputError` when it cannot be read."""
        picture = self._picture(row.key)
        height, width = picture.shape[:2]
        mask = self.decisions.mask(row.key)
        if mask is not None and mask.shape != (height, width):
            raise InputError(f"{row.key}: its mask is {mask.shape[1]}x{mask.shape[0]}, the picture {width}x{height}")
        return Shown(
            row=row,
            version=self.decisions.version(row.key),
            preview=shrunk(picture),
            mask=shrunk_mask(mask, *preview_size(height, width)),
            height=height,
            width=width,
        )

    def decide(self, shown: Shown, edited: np.ndarray | None, person: str) -> Decision:
        """Keep a mask, or none. edited: the mask at preview size as the person left it; None: they reject it.

        Raises :class:`ConflictError` when somebody else decided meanwhile.
        """
        if edited is None:
            return self.decisions.record(shown.row.key, "rejected", None, person, shown.version)
        verdict: Verdict = "accepted" if np.array_equal(edited, shown.mask) else "edited"
        if not edited.any():
            verdict = "rejected"
        return self.decisions.record(shown.row.key, verdict, self.full_mask(shown, edited), person, shown.version)

    def undo(self, person: str) -> Shown | None:
        """Take back this person's newest decision and show its picture again; None when there is none."""
        undone = self.decisions.undo(person)
        row = self.queue.row(undone.key) if undone else None
        return self.show(row) if row else None

    def restored(self, shown: Shown, edited: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The picture before and after restoring it with a mask, at preview size; nothing is kept.

        Raises :class:`InputError` with the reason when it cannot be restored.
        """
        mask = mask_png(self.full_mask(shown, edited))
        after = self.restore_picture(shown.row.key, self.pictures.read(shown.row.key), mask)
        return shown.preview, shrunk(decode_rgb(after))

    def full_mask(self, shown: Shown, edited: np.ndarray) -> np.ndarray:
        """The mask at the picture's size after an edit of the preview: uint8 (H, W), 1 in the hole."""
        return merged(self.decisions.mask(shown.row.key), shown.mask, edited, shown.height, shown.width)

    def _picture(self, key: str) -> np.ndarray:
        try:
            return read_photo(self.pictures.read(key)).rgb
        except InputError:
            raise
        except Exception as error:  # hostile files make decoders raise anything
            raise InputError(f"{key}: not a readable picture: {error}") from None
