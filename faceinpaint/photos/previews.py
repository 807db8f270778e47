"""Small pictures of the old picture inside its metadata are made anew, in their own place.

Thumbnails (EXIF's second directory) and previews (camera makers' notes) are JPEGs somewhere inside the EXIF block. Each
is overwritten by a picture of the same size that is no longer, so that no offset moves and nothing else of the block
changes, makers' notes included.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

SMALLEST = 16  # pixels per side; less is not a preview
QUALITIES = (85, 70, 50, 30, 10, 1)
SAME_SHAPE = 0.02  # previews of another shape, such as 4:3 of 3:2, have bars
START = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")
END = b"\xff\xd9"

Samples = Callable[[], np.ndarray]
Shown = Callable[[tuple[int, int]], Image.Image]  # the new picture, RGB, as stored, scaled to (width, height)


def renewed(block: bytes, whole: tuple[int, int], shown: Shown) -> tuple[bytes, list[str]]:
    """The EXIF ``block`` (or any other metadata) with its previews made anew, and what was done; the length stays.

    whole: width and height of the new picture.
    """
    changed, notes = bytearray(block), []
    for start, end in _previews(block):
        new = _fitting(block[start:end], whole, shown)
        changed[start:end] = new.ljust(end - start, b"\0")
        notes.append("preview made anew" if new else "preview (a new one had no room)")
    return bytes(changed), notes


def renewed_from(block: bytes, samples: Samples) -> tuple[bytes, list[str]]:
    """:func:`renewed`, where all samples of the new picture are at hand: uint8 or uint16 (H, W, C)."""
    if next(_previews(block), None) is None:
        return block, []
    picture = _rgb(samples())
    return renewed(block, picture.size, lambda size: picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2))


def _rgb(samples: np.ndarray) -> Image.Image:
    levels = samples if samples.dtype == np.uint8 else (samples >> 8).astype(np.uint8)
    colours = levels[..., :3] if levels.shape[2] >= 3 else np.repeat(levels[..., :1], 3, -1)
    return Image.fromarray(np.ascontiguousarray(colours))


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


def _fitting(old: bytes, whole: tuple[int, int], shown: Shown) -> bytes:
    """A JPEG of the new picture of the size of ``old`` and at most as long; empty when there is no room for it."""
    size = _size(old)
    assert size is not None
    picture = _boxed(size, whole, shown)
    for quality in QUALITIES:
        sink = io.BytesIO()
        picture.save(sink, "JPEG", quality=quality, optimize=True)
        if sink.tell() <= len(old):
            return sink.getvalue()
    return b""


def _boxed(size: tuple[int, int], whole: tuple[int, int], shown: Shown) -> Image.Image:
    """The new picture scaled into ``size``, with black bars where the shapes differ."""
    scale = min(size[0] / whole[0], size[1] / whole[1])
    inner = (max(1, round(whole[0] * scale)), max(1, round(whole[1] * scale)))
    if all(abs(a - b) <= max(1, SAME_SHAPE * b) for a, b in zip(inner, size, strict=True)):
        return shown(size)
    box = Image.new("RGB", size)
    box.paste(shown(inner), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return box
