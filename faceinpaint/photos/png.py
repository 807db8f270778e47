"""PNG: decoded and encoded fast, and its untouched rows kept as they were filtered.

A PNG is rows of bytes, each filtered (W3C PNG, section 9) by one of five predictors from its own bytes and the row
above, all deflated together. A changed row needs a new filter, and so does the row below it; every other row's filtered
bytes stay. Deflating and inflating is libdeflate's (imagecodecs).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import imagecodecs
import numpy as np

from faceinpaint.errors import InputError

CHUNK_NAME = re.compile(r"^(?:\[[0-9A-F]{2}\]|[A-Za-z]){4}: ")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by colour type: grey, RGB, grey with alpha, RGB with alpha
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # as Pillow calls them
COLOUR_TYPES = {channels: kind for kind, channels in CHANNELS.items()}
LEVEL = 4  # libdeflate's; as small as zlib's 6, nine times as fast
SUB, UP, PAETH = 1, 2, 4
LONGEST_CHUNK = 2**31 - 1
METRE = 0.0254  # metres of an inch

Chunk = tuple[bytes, bytes]  # name, content


@dataclass(frozen=True)
class Header:
    """What IHDR says. ``depth``: bits per channel; ``kind``: colour type; ``interlaced``: rows in seven passes."""

    width: int
    height: int
    depth: int
    kind: int
    interlaced: bool

    @property
    def plain(self) -> bool:
        """Whether rows hold whole channels, from top to bottom."""
        return self.depth in (8, 16) and self.kind in CHANNELS and not self.interlaced

    @property
    def pixel(self) -> int:
        """Bytes of a pixel of a :attr:`plain` picture."""
        return CHANNELS[self.kind] * self.depth // 8


def chunks(data: bytes) -> Iterator[Chunk]:
    """(name, content) of each chunk; ends at the first one that is cut short."""
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4])
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length


def file_of(parts: Iterable[Chunk]) -> bytes:
    """Inverse of :func:`chunks`."""
    pieces = [SIGNATURE]
    for name, content in parts:
        sum_ = zlib.crc32(content, zlib.crc32(name))
        pieces += [struct.pack(">I", len(content)), name, content, struct.pack(">I", sum_)]
    return b"".join(pieces)


def header(content: bytes) -> Header:
    """IHDR's content, understood. Raises :class:`InputError`."""
    if len(content) != 13:
        raise InputError("not a readable picture: the PNG's header is damaged")
    width, height, depth, kind, _, _, interlace = struct.unpack(">IIBBBBB", content)
    return Header(width, height, depth, kind, interlace > 0)


def read_rows(parts: list[Chunk]) -> np.ndarray:
    """Filtered rows of a :attr:`Header.plain` PNG: uint8 (H, 1 + bytes of a row), the first of each its filter.

    Raises :class:`InputError` when the data are damaged or cut short.
    """
    head = header(parts[0][1])
    stride = 1 + head.width * head.pixel
    deflated = b"".join(content for name, content in parts if name == b"IDAT")
    rows = np.empty(head.height * stride, np.uint8)
    try:
        inflated = imagecodecs.deflate_decode(deflated, out=rows)  # type: ignore[arg-type]  # arrays are buffers too
    except (imagecodecs.DeflateError, ValueError, RuntimeError) as error:
        raise InputError(f"not a readable picture: {error}") from None
    if len(inflated) != rows.size:
        raise InputError("not a readable picture: rows are missing")
    return rows.reshape(head.height, stride)


def decode(parts: list[Chunk]) -> np.ndarray:
    """Samples of a :attr:`Header.plain` PNG as stored, gamma, profiles and orientation left aside.

    uint8 or uint16 (H, W, C). Raises :class:`InputError`.
    """
    head = header(parts[0][1])
    bare = [part for part in parts if part[0] in (b"IHDR", b"IDAT", b"IEND")]
    if bare[-1][0] != b"IEND" or len(bare) < 3:  # libpng would read on into stray memory
        raise InputError("not a readable picture: the PNG is cut short")
    try:
        samples = imagecodecs.png_decode(file_of(bare))
    except (imagecodecs.PngError, ValueError, RuntimeError) as error:
        # libpng puts a chunk's name in front, which is stray memory where the chunk is cut short.
        raise InputError(f"not a readable picture: {CHUNK_NAME.sub('', str(error))}") from None
    return samples.reshape(head.height, head.width, CHANNELS[head.kind])


def encode(samples: np.ndarray) -> list[Chunk]:
    """IHDR, IDAT and IEND of uint8 or uint16 samples (H, W, C), C = 1-4: grey or RGB, the last even one alpha."""
    height, width, channels = samples.shape
    depth = 8 * samples.dtype.itemsize
    head = Header(width, height, depth, COLOUR_TYPES[channels], False)
    content = struct.pack(">IIBBBBB", width, height, depth, head.kind, 0, 0, 0)
    rows = _refiltered(_bytes(samples), np.zeros(width * head.pixel, np.uint8), head.pixel)
    return [(b"IHDR", content), *deflated(rows), (b"IEND", b"")]


def metadata(head: Chunk, exif: bytes | None, profile: bytes | None, dpi: tuple[float, float] | None) -> list[Chunk]:
    """A picture's header and what others say about it: EXIF from its TIFF header on, ICC profile, pixels an inch."""
    parts = [head]
    if profile:
        parts.append((b"iCCP", b"icc\0\0" + zlib.compress(profile)))
    if dpi:
        parts.append((b"pHYs", struct.pack(">IIB", *(round(float(number) / METRE) for number in dpi), 1)))
    if exif:
        parts.append((b"eXIf", exif))
    return parts


def deflated(rows: np.ndarray) -> list[Chunk]:
    """Filtered rows as IDAT chunks."""
    flat = np.ascontiguousarray(rows).reshape(-1)
    data = bytes(imagecodecs.deflate_encode(flat, level=LEVEL))  # type: ignore[arg-type]  # arrays are buffers too
    return [(b"IDAT", data[place : place + LONGEST_CHUNK]) for place in range(0, len(data), LONGEST_CHUNK)]


def change_rows(rows: np.ndarray, samples: np.ndarray, top: int, bottom: int) -> None:
    """Filter the rows from ``top`` to ``bottom`` (exclusive) anew, in place.

    rows: all filtered rows, as :func:`read_rows` gives them; samples: (H, W, C), all of the new picture. The row below
    is filtered anew as well, since its filter may have looked at a changed one.
    """
    end = min(bottom + 1, len(samples))
    pixel = samples.shape[2] * samples.dtype.itemsize
    above = _bytes(samples[top - 1 : top])[0] if top else np.zeros(samples.shape[1] * pixel, np.uint8)
    rows[top:end] = _refiltered(_bytes(samples[top:end]), above, pixel)


def check_rows(rows: np.ndarray, samples: np.ndarray, top: int, bottom: int) -> None:
    """Raises ``RuntimeError`` unless the filtered rows from ``top`` to ``bottom``, and the next, decode to ``samples``.

    A decoder sees them as a picture of their own, below the row above them.
    """
    first, end = max(0, top - 1), min(bottom + 1, len(samples))
    part = rows[first:end]
    if top:
        above = np.concatenate([np.zeros(1, np.uint8), _bytes(samples[first:top])[0]])  # no filter
        part = np.concatenate([above[None], part[1:]])
    _, width, channels = samples.shape
    kind = COLOUR_TYPES[channels]
    head = struct.pack(">IIBBBBB", width, len(part), 8 * samples.dtype.itemsize, kind, 0, 0, 0)
    if not np.array_equal(decode([(b"IHDR", head), *deflated(part), (b"IEND", b"")]), samples[first:end]):
        raise RuntimeError("the written PNG does not read back as it was")


def _bytes(samples: np.ndarray) -> np.ndarray:
    """(H, bytes of a row), the high byte first."""
    return (
        np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder(">"))).view(np.uint8).reshape(len(samples), -1)
    )


def _refiltered(lines: np.ndarray, above: np.ndarray, pixel: int) -> np.ndarray:
    """Lines of bytes, each behind the filter of sub, up and Paeth that leaves the least absolute differences."""
    result = np.empty((len(lines), lines.shape[1] + 1), np.uint8)
    for first in range(0, len(lines), 64):  # as many as stay in a processor's cache
        part = lines[first : first + 64]
        up = np.vstack([above[None], part[:-1]])
        above = part[-1]
        left, corner = np.zeros_like(part), np.zeros_like(part)
        left[:, pixel:], corner[:, pixel:] = part[:, :-pixel], up[:, :-pixel]
        choices = np.stack([part - left, part - up, part - _paeth(left, up, corner)])
        sums = np.abs(choices.view(np.int8).astype(np.int16)).sum(-1, dtype=np.int64)
        best = sums.argmin(0)
        chosen = result[first : first + 64]
        chosen[:, 0] = np.array([SUB, UP, PAETH], np.uint8)[best]
        chosen[:, 1:] = choices[best, np.arange(len(part))]
    return result


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of three neighbours the one nearest to left + up - corner (W3C PNG, section 9.4)."""
    a, b, c = (array.astype(np.int16) for array in (left, up, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))
