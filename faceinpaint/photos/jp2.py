"""JPEG 2000: decoded and encoded without loss (openjpeg, by imagecodecs); every box of a JP2 but the pixels' stays.

A file that was coded with loss is written without: it grows, but no pixel outside the hole moves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import imagecodecs
import numpy as np

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.photos.stale import CREDENTIALS

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"
PIXELS, HEADER, UUID = b"jp2c", b"jp2h", b"uuid"
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # the UUIDs of boxes
C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
SRGB, GREY, CMYK = 16, 17, 12  # of the colour box
OPACITY = 1  # of the channel definition box

Box = tuple[bytes, bytes]  # type, content


def is_jp2(data: bytes) -> bool:
    """Whether a file is a JP2 or a bare codestream."""
    return data.startswith((SIGNATURE, CODESTREAM))


def size_and_xmp(data: bytes) -> tuple[tuple[int, int], bytes | None]:
    """Height and width, and the XMP packet. Raises as :func:`read_jp2`."""
    boxes = _parts(data)
    stream = _stream(boxes)
    _bits(stream)
    right, bottom, left, top = struct.unpack_from(">IIII", stream, 8)
    xmp = next((content[16:] for kind, content in boxes if kind == UUID and content.startswith(XMP)), None)
    return (bottom - top, right - left), xmp


def read_jp2(data: bytes) -> tuple[np.ndarray, int, str, bytes | None]:
    """Samples uint8 or uint16 (H, W, C), their largest level, their mode as Pillow calls it, and the ICC profile.

    Raises :class:`NoPhotographError` for what would change, :class:`InputError` for damage.
    """
    boxes = _parts(data)
    stream = _stream(boxes)
    bits = _bits(stream)
    try:
        samples = imagecodecs.jpeg2k_decode(stream)
    except (imagecodecs.Jpeg2kError, ValueError, RuntimeError) as error:
        raise InputError(f"not a readable picture: {error}") from None
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.dtype not in (np.uint8, np.uint16):
        raise NoPhotographError("JPEG 2000 of signed or deep samples: convert it first")
    mode, profile = _colours(boxes, samples.shape[2])
    return samples, (1 << bits) - 1, mode, profile


def write_jp2(data: bytes, samples: np.ndarray, xmp: bytes) -> tuple[bytes, list[str]]:
    """The JP2 or codestream ``data`` with other samples and, in a JP2, XMP; and what was left out."""
    bare = data.startswith(CODESTREAM)
    bits = _bits(_stream(_parts(data)))
    coded = imagecodecs.jpeg2k_encode(
        samples.squeeze(-1) if samples.shape[2] == 1 else samples,
        level=0,
        codecformat="j2k",
        reversible=True,
        bitspersample=bits,
        mct=samples.shape[2] in (3, 4),
    )
    stream = bytes(coded)
    if bare:
        return stream, []
    parts, dropped, written = [], [], False
    for kind, content in _boxes(data):
        if kind == UUID and content.startswith(XMP):
            continue
        if kind == b"jumb" or (kind == UUID and content.startswith(C2PA)):
            dropped.append(CREDENTIALS)
            continue
        if kind == PIXELS:
            if written:
                continue
            parts += [_box(UUID, XMP + xmp), _box(PIXELS, stream)]
            written = True
            continue
        parts.append(_box(kind, content))
    return b"".join(parts), dropped


def _parts(data: bytes) -> list[Box]:
    return [(PIXELS, data)] if data.startswith(CODESTREAM) else list(_boxes(data))


def _stream(boxes: list[Box]) -> bytes:
    return next((content for kind, content in boxes if kind == PIXELS), b"")


def _boxes(data: bytes) -> Iterator[Box]:
    place = 0
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if length == 1 and place + 16 <= len(data):
            length, head = struct.unpack_from(">Q", data, place + 8)[0], 16
        end = len(data) if length == 0 else place + max(length, head)
        yield kind, data[place + head : end]
        place = end


def _box(kind: bytes, content: bytes) -> bytes:
    if len(content) + 8 < 2**32:
        return struct.pack(">I4s", len(content) + 8, kind) + content
    return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content


def _bits(stream: bytes) -> int:
    """Bits of a channel. Raises as :func:`read_jp2`."""
    if not stream.startswith(CODESTREAM) or len(stream) < 44:
        raise InputError("not a readable picture: JPEG 2000 without pixels")
    (channels,) = struct.unpack_from(">H", stream, 40)
    parts = {stream[42 + 3 * i : 45 + 3 * i] for i in range(channels)}
    if len(parts) != 1:
        raise NoPhotographError("JPEG 2000 whose channels differ in depth or sampling: convert it first")
    (depth, across, down) = parts.pop()
    if depth & 0x80 or depth + 1 > 16 or (across, down) != (1, 1):
        raise NoPhotographError("JPEG 2000 of signed, deep or sampled down channels: convert it first")
    return depth + 1


def _colours(boxes: list[Box], channels: int) -> tuple[str, bytes | None]:
    """The mode and the ICC profile. Raises :class:`NoPhotographError`."""
    parts = dict(_boxes(next((content for kind, content in boxes if kind == HEADER), b"")))
    if b"pclr" in parts:
        raise NoPhotographError("JPEG 2000 with a palette: convert it first")
    colour = parts.get(b"colr", b"")
    profile = colour[3:] if colour[:1] == b"\x02" else None
    space = int.from_bytes(colour[3:7]) if colour[:1] == b"\x01" else None
    if space not in (None, SRGB, GREY, CMYK):
        raise NoPhotographError("JPEG 2000 that is not grey, RGB or CMYK: convert it first")
    if channels == 4 and (space == CMYK or (profile and profile[16:20] == b"CMYK")):
        return "CMYK", profile
    definitions = parts.get(b"cdef", b"")
    kinds = [int.from_bytes(definitions[4 + 6 * i : 6 + 6 * i]) for i in range(int.from_bytes(definitions[:2]))]
    if set(kinds) - {0, OPACITY} or (channels in (2, 4) and OPACITY not in kinds):
        raise NoPhotographError("JPEG 2000 whose last channel is not plain transparency: convert it first")
    return {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels], profile
