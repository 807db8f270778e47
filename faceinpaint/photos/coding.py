"""What every kind of file offers: a decoder, an encoder that changes the hole alone, and what it says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import numpy as np

EXACT, BLOCKS = "exact", "blocks"  # fidelity; else "recoded: " and why


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A picture's samples as stored, not turned upright.

    samples: uint8, uint16, uint32 or floats (H, W, C); mode: what the channels are, as Pillow calls them (L, LA, RGB,
    RGBA, CMYK), more channels behind them being kept and not understood; largest: level of full white, ink or opacity,
    where they are of 8 or 16 bits; profile: ICC.
    """

    samples: np.ndarray
    mode: str
    largest: int = 255
    profile: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Change:
    """New samples for a part of a picture.

    samples: (h, w, C), of the kind of :class:`Decoded`; hole: bool (h, w), where they count; left, top: the part's
    place in the stored picture, pixels; opaque: the hole was transparency, and is no longer.
    """

    samples: np.ndarray
    hole: np.ndarray
    left: int = 0
    top: int = 0
    opaque: bool = False

    def applied(self, samples: np.ndarray) -> np.ndarray:
        """A copy of all samples (H, W, C) with the change in it."""
        result = samples.copy()
        height, width = self.hole.shape
        part = result[self.top : self.top + height, self.left : self.left + width]
        part[self.hole] = self.samples[self.hole]
        return result

    def trimmed(self) -> Change:
        """The same change, of no more than the box that its hole fills."""
        rows, columns = np.flatnonzero(self.hole.any(1)), np.flatnonzero(self.hole.any(0))
        if not len(rows):
            return replace(self, samples=self.samples[:0, :0], hole=self.hole[:0, :0])
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        top, left = self.top + int(rows[0]), self.left + int(columns[0])
        return replace(self, samples=self.samples[box], hole=self.hole[box], left=left, top=top)

    def whole_hole(self, height: int, width: int) -> np.ndarray:
        """The hole in the whole picture: bool (height, width)."""
        result = np.zeros((height, width), bool)
        result[self.top : self.top + self.hole.shape[0], self.left : self.left + self.hole.shape[1]] = self.hole
        return result


@dataclass(frozen=True, kw_only=True)
class Written:
    """A new file. fidelity: ``exact`` (every pixel outside the hole is the input's), ``blocks`` (every pixel outside
    the coded blocks that the hole touches), or ``recoded: `` and why; dropped: what the file no longer says, and why;
    faults: what was wrong with the input, which could be read all the same.
    """

    data: bytes
    fidelity: str
    dropped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


CAPTIONS, COMMENT = "captions (IPTC: a PNG has no place for them)", "comment (a PNG has no place for it)"


class PhotoFile(ABC):
    """A file of one format, opened but not decoded.

    format: its name; size: (H, W) as stored; orientation: EXIF's, 1-8; block: (height, width), stored pixels that the
    coding changes together, (1, 1) without loss; holds_xmp: whether the format has a place for a statement.
    """

    format: str
    size: tuple[int, int]
    orientation: int = 1
    block: tuple[int, int] = (1, 1)
    lossless: bool = True
    holds_xmp: bool = True
    xmp: bytes | None = None
    exif: bytes | None = None  # a TIFF of tags, where the format has one apart
    dpi: tuple[float, float] | None = None

    def __init__(self, data: bytes):
        self.data = data

    def left_behind(self) -> list[str]:
        """What the file holds beside its picture and no other format takes along."""
        return []

    def without_place(self) -> list[str]:
        """What the file says and a PNG has no place for."""
        return []

    def faults(self) -> list[str]:
        """What is wrong with the file, which can be read all the same."""
        return []

    @property
    def upright_size(self) -> tuple[int, int]:
        """(H, W) as it is shown."""
        return self.size[::-1] if self.orientation >= 5 else self.size

    @abstractmethod
    def decode(self) -> Decoded:
        """Raises :class:`NoPhotographError` for what is not restored, :class:`InputError` for damage."""

    @abstractmethod
    def encode(self, decoded: Decoded | None, change: Change, xmp: bytes) -> Written:
        """The file with ``change`` in it and the XMP packet ``xmp``.

        decoded: what :meth:`decode` gave; None where it is to be decoded again, if that is needed. Raises
        ``RuntimeError`` when the new file does not read back as it should.
        """


def check_same(read: np.ndarray, wanted: np.ndarray, kind: str) -> None:
    """Raises ``RuntimeError`` when samples differ."""
    if not np.array_equal(read, wanted, equal_nan=wanted.dtype.kind == "f"):
        raise RuntimeError(f"the written {kind} does not read back as it was")
