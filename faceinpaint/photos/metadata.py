"""The metadata of one file around the pixels of another of its format, so that nothing the source says is lost.

Encoders write what they know of; profiles, captions, camera data and private blocks are copied from the source's own
bytes instead. JPEG: segments; PNG: chunks; TIFF: tags, with their EXIF and GPS directories.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from faceinpaint.errors import InputError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
PNG_OF_THE_COLOUR_TYPE = (b"bKGD", b"sBIT", b"hIST")
PNG_OF_ANIMATIONS = (b"acTL", b"fcTL", b"fdAT")
PNG_XMP = b"XML:com.adobe.xmp\0"

JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
JPEG_SCAN, JPEG_ADOBE, JPEG_COMMENT = 0xDA, 0xEE, 0xFE  # ADOBE says how colours are coded: the encoder's business
LONGEST_SEGMENT = 65533

TIFF_POINTERS = (34665, 34853, 40965)  # to directories of EXIF, GPS and interoperability
TIFF_XMP, TIFF_EXTRA_SAMPLES = 700, 338
# Tags that describe how samples are laid out, and (274) how decoders have turned them already: the encoder's business
TIFF_LAYOUT = {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 301, 317, 320, 322, 323, 324, 325}
TIFF_LAYOUT |= {330, 332, 333, 334, 339, 340, 341, 347, 529, 530, 531, 532, *range(512, 522)}
TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # bytes of a value
TIFF_WORDS = TIFF_SIZES | {5: 4, 10: 4}  # bytes that turn round with the byte order

Directory = dict[int, "tuple[int, int, bytes] | Directory"]  # tag -> (type, count, little-endian values)


def graft(kind: str, written: bytes, source: bytes, xmp: bytes) -> bytes:
    """``written`` with the metadata of ``source`` and the packet ``xmp``; all are files of ``kind``.

    kind: JPEG, PNG or TIFF. Raises :class:`InputError` when the packet does not fit.
    """
    return {"JPEG": _graft_jpeg, "PNG": graft_png, "TIFF": _graft_tiff}[kind](written, source, xmp)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of each chunk; ends at the first one that is cut short."""
    place = len(PNG_SIGNATURE)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4])
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length


def png_file(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Inverse of :func:`png_chunks`."""
    parts = [PNG_SIGNATURE]
    for name, content in chunks:
        parts += [struct.pack(">I", len(content)), name, content, struct.pack(">I", zlib.crc32(name + content))]
    return b"".join(parts)


def graft_png(written: bytes, source: bytes, xmp: bytes) -> bytes:
    """:func:`graft` of PNG."""
    old, new = list(png_chunks(source)), list(png_chunks(written))
    dropped = {*PNG_PIXELS, *PNG_OF_ANIMATIONS}
    if old[0][1][8:10] != new[0][1][8:10]:  # another depth or colour type
        dropped |= {*PNG_OF_THE_COLOUR_TYPE}
    kept = [(name, body) for name, body in old if name not in dropped and not body.startswith(PNG_XMP)]
    statement = (b"iTXt", PNG_XMP + bytes(4) + xmp)  # not compressed, no language, no translated keyword
    pixels = [(name, body) for name, body in new[1:] if name in PNG_PIXELS]
    return png_file([new[0], *kept, statement, *pixels])


def _graft_jpeg(written: bytes, source: bytes, xmp: bytes) -> bytes:
    if len(JPEG_XMP) + len(xmp) > LONGEST_SEGMENT:
        raise InputError("the XMP packet has no room for a statement: shorten it first")
    (old, _), (new, scan) = _segments(source), _segments(written)
    kept = [(m, body) for m, body in old if _is_metadata(m) and not body.startswith((JPEG_XMP, b"MPF\0"))]
    leading = [segment for segment in kept if segment[0] == 0xE0]  # JFIF comes first
    rest = [segment for segment in kept if segment[0] != 0xE0]
    coding = [segment for segment in new if not _is_metadata(segment[0])]
    parts = [b"\xff\xd8"]
    for marker, body in [*leading, (0xE1, JPEG_XMP + xmp), *rest, *coding]:
        parts += [struct.pack(">BBH", 0xFF, marker, len(body) + 2), body]
    return b"".join([*parts, scan])


def _is_metadata(marker: int) -> bool:
    return (0xE0 <= marker <= 0xEF and marker != JPEG_ADOBE) or marker == JPEG_COMMENT


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """(marker, content) of the segments before the first scan, and all from there on."""
    segments, place = [], 2
    while place + 4 <= len(data) and data[place + 1] != JPEG_SCAN:
        if data[place + 1] == 0xFF:  # a fill byte
            place += 1
            continue
        length = int.from_bytes(data[place + 2 : place + 4])
        segments.append((data[place + 1], data[place + 4 : place + 2 + length]))
        place += 2 + length
    return segments, data[place:]


def _graft_tiff(written: bytes, source: bytes, xmp: bytes) -> bytes:
    tags, old = _first_directory(written), _first_directory(source)
    tags |= {tag: value for tag, value in old.items() if tag not in TIFF_LAYOUT | tags.keys()}
    tags[TIFF_XMP] = (1, len(xmp), xmp)
    body = written + bytes(len(written) % 2)
    return body[:4] + struct.pack("<I", len(body)) + body[8:] + _directory_bytes(tags, len(body))


def _first_directory(data: bytes) -> Directory:
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack(f"{order}H", data[2:4])[0] == 43
    offset = struct.unpack(f"{order}Q", data[8:16])[0] if big else struct.unpack(f"{order}I", data[4:8])[0]
    return _directory(data, offset, order, big)


def _directory(data: bytes, offset: int, order: str, big: bool, depth: int = 0) -> Directory:
    """The tags at ``offset``; those that point out of the file, or are of a type unknown to TIFF 6, are left out."""
    head, entry = struct.Struct(f"{order}{'Q' if big else 'H'}"), struct.Struct(f"{order}HH{'Q8s' if big else 'I4s'}")
    pointer = f"{order}{'Q' if big else 'I'}"
    if offset + head.size > len(data):
        return {}
    (count,) = head.unpack_from(data, offset)
    start = offset + head.size
    tags: Directory = {}
    for place in range(start, min(start + count * entry.size, len(data) - entry.size + 1), entry.size):
        tag, kind, number, inline = entry.unpack_from(data, place)
        size = TIFF_SIZES.get(kind, 0) * number
        there = struct.unpack(pointer, inline)[0]
        if tag in TIFF_POINTERS:
            if depth < 2:
                tags[tag] = _directory(data, there, order, big, depth + 1)
            continue
        values = inline[:size] if size <= len(inline) else data[there : there + size]
        if size and len(values) == size:
            word = f"{order}u{TIFF_WORDS[kind]}"
            tags[tag] = (kind, number, np.frombuffer(values, word).astype("<" + word[1:]).tobytes())
    return tags


def _directory_bytes(tags: Directory, offset: int) -> bytes:
    """A little-endian directory that will stand at ``offset``, an even number, and what it points to behind it."""
    table, behind = [], b""
    after = offset + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        there = struct.pack("<I", after + len(behind))
        if isinstance(value, dict):
            table.append(struct.pack("<HHI", tag, 4, 1) + there)
            behind += _directory_bytes(value, after + len(behind))
            continue
        kind, number, values = value
        if len(values) <= 4:
            table.append(struct.pack("<HHI4s", tag, kind, number, values))
        else:
            table.append(struct.pack("<HHI", tag, kind, number) + there)
            behind += values + bytes(len(values) % 2)
    return struct.pack("<H", len(tags)) + b"".join(table) + bytes(4) + behind
