"""Small pictures of the old picture inside its metadata are made anew, in their own place.

Thumbnails (EXIF's second directory) and previews (camera makers' notes) are JPEGs somewhere inside the EXIF block. Each
is overwritten by a picture of the same size that is no longer, so that no offset moves and nothing else of the block
changes, makers' notes included.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

from PIL import Image

SMALLEST = 16  # pixels a side; less is no preview
QUALITIES = (85, 70, 50, 30, 10, 1)
SAME_SHAPE = 0.02  # previews of another shape, such as 4:3 of 3:2, have bars
START = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")
END = b"\xff\xd9"

Shown = Callable[[tuple[int, int]], Image.Image]  # the new picture, RGB, as stored, scaled to (width, height)


def renewed(block: bytes, shown: Shown) -> tuple[bytes, list[str]]:
    """The EXIF ``block`` (or any other metadata) with its previews made anew, and what was done; the length stays."""
    changed, notes = bytearray(block), []
    for start, end in _previews(block):
        new = _fitting(block[start:end], shown)
        changed[start:end] = new.ljust(end - start, b"\0")
        notes.append("preview made anew" if new else "preview (a new one had no room)")
    return bytes(changed), notes


def has_preview(block: bytes) -> bool:
    """Whether a JPEG stands in the ``block``."""
    return next(_previews(block), None) is not None


def _previews(block: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of each JPEG."""
    place = 0
    while found := START.search(block, place):
        size = _size(block[found.start() :])
        if size is None:
            place = found.start() + 2
            continue
        place = _end(block, found.start())
        yield found.start(), place


def _end(block: bytes, start: int) -> int:
    """Behind the JPEG that starts at ``start``: its first end mark behind its last scan's start."""
    place = start + 2
    while place + 4 <= len(block) and block[place] == 0xFF and block[place + 1] not in (0xDA, 0xD9):
        place += 2 + int.from_bytes(block[place + 2 : place + 4])
    found = block.find(END, place)  # inside a scan 0xFF is followed by 0
    return len(block) if found < 0 else found + len(END)


def _size(data: bytes) -> tuple[int, int] | None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as image:
            return image.size if min(image.size) >= SMALLEST else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _fitting(old: bytes, shown: Shown) -> bytes:
    """A JPEG of the new picture of the size of ``old`` and at most as long; empty when there is no room for it."""
    size = _size(old)
    assert size is not None
    picture = _boxed(shown, size)
    for quality in QUALITIES:
        sink = io.BytesIO()
        picture.save(sink, "JPEG", quality=quality, optimize=True)
        if sink.tell() <= len(old):
            return sink.getvalue()
    return b""


def _boxed(shown: Shown, size: tuple[int, int]) -> Image.Image:
    """The new picture scaled into ``size``, with black bars where the shapes differ."""
    whole = shown((0, 0)).size
    scale = min(size[0] / whole[0], size[1] / whole[1])
    inner = (max(1, round(whole[0] * scale)), max(1, round(whole[1] * scale)))
    if all(abs(a - b) <= max(1, SAME_SHAPE * b) for a, b in zip(inner, size, strict=True)):
        return shown(size)
    box = Image.new("RGB", size)
    box.paste(shown(inner), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return box
