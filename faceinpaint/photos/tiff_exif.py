"""What a TIFF says of its picture in tags, as a block of EXIF and pixels an inch: for formats that hold these apart."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import Image

from faceinpaint.photos.opening import DAMAGE, EXIF_START, ORIENTATION

# Description, maker, model, program, date, artist, copyright: what does not speak of how samples are stored
TOLD = (270, 271, 272, 305, 306, 315, 33432)
DIRECTORIES = (34665, 34853)  # EXIF's own, and of the position
RESOLUTION, UNIT = (282, 283), 296
CENTIMETRE, INCH = 3, 2.54


def exif_of_tiff(data: bytes, orientation: int) -> bytes | None:
    """The block, from its TIFF header on; None where there is nothing to say. ``orientation``: of the file, 1-8.

    Tags that cannot be read are left out.
    """
    block = Image.Exif()
    with _lenient():
        tags = _tags(data)
        block.update({tag: tags[tag] for tag in TOLD if tag in tags})
        for directory in DIRECTORIES:
            found = tags.get_ifd(directory)
            if found:
                block.get_ifd(directory).update(found)
        block.tobytes()
    if orientation != 1:
        block[ORIENTATION] = orientation
    with suppress(*DAMAGE):
        return block.tobytes().removeprefix(EXIF_START) if len(block) else None
    return _of_orientation(orientation)


def dpi_of_tiff(data: bytes) -> tuple[float, float] | None:
    """Pixels an inch, across and down; None where the file says neither, or something of no unit."""
    with _lenient():
        tags = _tags(data)
        unit = {2: 1.0, CENTIMETRE: INCH}.get(tags.get(UNIT, 2))
        across, down = (float(tags.get(tag, 0)) for tag in RESOLUTION)
        if unit and across > 0 and down > 0:
            return across * unit, down * unit
    return None


def _tags(data: bytes) -> Image.Exif:
    tags = Image.Exif()
    tags.load(data)
    return tags


@contextmanager
def _lenient() -> Iterator[None]:
    """Damage costs what comes behind it, and nobody is told."""
    with suppress(*DAMAGE), warnings.catch_warnings(action="ignore", category=UserWarning):
        yield


def _of_orientation(orientation: int) -> bytes | None:
    """A block that says this alone."""
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return None if orientation == 1 else block.tobytes().removeprefix(EXIF_START)
