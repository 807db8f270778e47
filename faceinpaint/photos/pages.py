"""TIFFs of several pages: taken apart into files of one page, and put together again."""

from __future__ import annotations

from dataclasses import replace

from faceinpaint.photos import tiff
from faceinpaint.photos.opening import DAMAGE
from faceinpaint.photos.tiff_container import read_tiff, write_tiff

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def pages_of(data: bytes) -> tuple[list[bytes], list[str]]:
    """The pages of a TIFF of several pictures, each a TIFF; previews are left out, and named. ([], []): anything else.

    Raises :class:`NoPhotographError` for camera raw files.
    """
    if not data.startswith(TIFF_STARTS):
        return [], []
    try:
        whole, dropped = tiff.pictures(read_tiff(data))
        if len(whole.pages) < 2:
            return [], []
        return [write_tiff(replace(whole, pages=[page])) for page in whole.pages], dropped
    except DAMAGE:  # what opens it next says it better
        return [], []


def bound(pages: list[bytes]) -> bytes:
    """One TIFF of the pages that :func:`pages_of` gave, or of what they have become. Raises :class:`InputError`."""
    files = [read_tiff(page) for page in pages]
    return write_tiff(replace(files[0], pages=[page for file in files for page in file.pages]))
