"""Files whose pixels lie bare: PNM and BMP. Only the hole's bytes are replaced; headers, comments, gaps, profiles stay.

PNM: P5 and P6, and P2 and P3 as text. BMP: 16, 24 and 32 bits without compression, whatever their channels' masks.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np

from faceinpaint.errors import InputError, NoPhotographError

TOKEN = rb"(?:\s|#[^\n]*\n)+(\d+)"
PNM_HEADER = re.compile(rb"P([2356])" + TOKEN + TOKEN + TOKEN + rb"(?:\s*#[^\n]*\n)*\s")
PNM_CHANNELS = {2: 1, 5: 1, 3: 3, 6: 3}
TEXT = (2, 3)
LONGEST_LINE = 70  # characters, of PNM as text
RGB_FIELDS = {16: (0x7C00, 0x3E0, 0x1F, 0), 24: (0xFF0000, 0xFF00, 0xFF, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
NOT_COMPRESSED, BIT_FIELDS, ALPHA_FIELDS = 0, 3, 6


@dataclass(frozen=True)
class Bitmap:
    """Decoded pixels. values: (H, W, C), uint8 or uint16, grey or RGB, the fourth channel transparency; largest: level
    of full white (or opaque)."""

    values: np.ndarray
    largest: int

    @property
    def mode(self) -> str:
        return {1: "L", 3: "RGB", 4: "RGBA"}[self.values.shape[2]]


def is_pnm(data: bytes) -> bool:
    """Whether a file is one of the kinds of PNM that :func:`read_pnm` reads."""
    return PNM_HEADER.match(data) is not None


def pnm_size(data: bytes) -> tuple[int, int]:
    """Height and width."""
    _, width, height, _, _ = _pnm(data)
    return height, width


def read_pnm(data: bytes) -> Bitmap:
    """Raises :class:`InputError` for a file that is cut short."""
    kind, width, height, largest, start = _pnm(data)
    shape = (height, width, PNM_CHANNELS[kind])
    if not 0 < largest < 65536:
        raise InputError("not a readable picture: the PNM's largest level is none")
    number = width * height * shape[2]
    try:
        if kind in TEXT:
            values = np.array(data[start:].split()[:number]).astype(np.uint16 if largest > 255 else np.uint8)
        else:
            values = np.frombuffer(data, ">u2" if largest > 255 else np.uint8, number, start)
        values = values.astype(values.dtype.newbyteorder("=")).reshape(shape)
    except (ValueError, OverflowError):
        raise InputError("not a readable picture: the PNM is cut short") from None
    return Bitmap(values, largest)


def write_pnm(data: bytes, values: np.ndarray) -> bytes:
    """The PNM ``data`` with other pixels."""
    kind, _, _, largest, start = _pnm(data)
    if kind in TEXT:
        step = LONGEST_LINE // (len(str(largest)) + 1)
        flat = [str(value) for value in values.reshape(-1).tolist()]
        lines = [" ".join(flat[place : place + step]) for place in range(0, len(flat), step)]
        return data[:start] + "\n".join(lines).encode() + b"\n"
    raw = values.astype(">u2" if largest > 255 else np.uint8).tobytes()
    return data[:start] + raw + data[start + len(raw) :]


def _pnm(data: bytes) -> tuple[int, int, int, int, int]:
    """Kind, width, height, largest level, and where the pixels start."""
    found = PNM_HEADER.match(data)
    assert found is not None
    kind, width, height, largest = map(int, found.groups())
    return kind, width, height, largest, found.end()


@dataclass(frozen=True)
class _Bmp:
    start: int  # of the pixels
    width: int
    height: int
    bottom_up: bool
    bits: int
    masks: tuple[int, ...]  # red, green, blue, alpha

    @property
    def stride(self) -> int:
        return (self.width * self.bits + 31) // 32 * 4


def is_bare_bmp(data: bytes) -> bool:
    """Whether :func:`read_bmp` reads a BMP; others (palettes, runs) are decoded whole."""
    return _bmp(data) is not None


def bmp_size(data: bytes) -> tuple[int, int]:
    """Height and width of a BMP that :func:`is_bare_bmp`."""
    head = _bmp(data)
    assert head is not None
    return head.height, head.width


def read_bmp(data: bytes) -> Bitmap:
    """A BMP that :func:`is_bare_bmp`; channels of fewer bits are scaled to 8.

    Raises :class:`InputError` for a file that is cut short, :class:`NoPhotographError` for channels of over 8 bits.
    """
    head = _bmp(data)
    assert head is not None
    words = _words(data, head)
    channels = [_channel(words, mask) for mask in head.masks if mask]
    return Bitmap(np.dstack(channels), 255)


def write_bmp(data: bytes, values: np.ndarray, hole: np.ndarray) -> bytes:
    """The BMP ``data`` with ``values`` uint8 (H, W, C) where ``hole`` bool (H, W) is set."""
    head = _bmp(data)
    assert head is not None
    words = _words(data, head)
    for i, mask in enumerate(mask for mask in head.masks if mask):
        shift, most = _shift(mask)
        levels = np.rint(values[..., i][hole] * (most / 255)).astype(np.uint32)
        words[hole] = words[hole] & ~np.uint32(mask) | levels << np.uint32(shift)
    lines = np.frombuffer(data, np.uint8, head.stride * head.height, head.start).copy().reshape(head.height, -1)
    size = head.bits // 8
    raw = words.astype("<u4").view(np.uint8).reshape(head.height, head.width, 4)[..., :size].reshape(head.height, -1)
    lines[:, : raw.shape[1]] = raw[::-1] if head.bottom_up else raw
    return data[: head.start] + lines.tobytes() + data[head.start + lines.size :]


def _bmp(data: bytes) -> _Bmp | None:
    if len(data) < 54 or data[:2] != b"BM":
        return None
    start, size = struct.unpack_from("<II", data, 10)
    if size < 40:  # of OS/2
        return None
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if bits not in RGB_FIELDS or compression not in (NOT_COMPRESSED, BIT_FIELDS, ALPHA_FIELDS) or width <= 0:
        return None
    masks = RGB_FIELDS[bits]
    if compression != NOT_COMPRESSED:
        fields = 4 if compression == ALPHA_FIELDS or size >= 56 else 3
        if len(data) < 54 + 4 * fields:
            return None
        masks = (*struct.unpack_from(f"<{fields}I", data, 54), *([0] * (4 - fields)))
    if not all(masks[:3]):
        return None
    return _Bmp(start, width, abs(height), height > 0, bits, masks)


def _words(data: bytes, head: _Bmp) -> np.ndarray:
    """uint32 (H, W), upright: each pixel's bits."""
    if head.start + head.stride * head.height > len(data):
        raise InputError("not a readable picture: the BMP is cut short")
    if max(_shift(mask)[1] for mask in head.masks if mask) > 255:
        raise NoPhotographError("BMP of more than 8 bits per channel: convert it first")
    lines = np.frombuffer(data, np.uint8, head.stride * head.height, head.start).reshape(head.height, -1)
    size = head.bits // 8
    words = np.zeros((head.height, head.width, 4), np.uint8)
    words[..., :size] = lines[:, : head.width * size].reshape(head.height, head.width, size)
    upright = words[::-1] if head.bottom_up else words
    return np.ascontiguousarray(upright).view("<u4")[..., 0].astype(np.uint32)


def _channel(words: np.ndarray, mask: int) -> np.ndarray:
    shift, most = _shift(mask)
    levels = (words & np.uint32(mask)) >> np.uint32(shift)
    return levels.astype(np.uint8) if most == 255 else np.rint(levels * (255 / most)).astype(np.uint8)


def _shift(mask: int) -> tuple[int, int]:
    """How many bits a channel is moved up by, and its largest level."""
    shift = (mask & -mask).bit_length() - 1
    return shift, mask >> shift
