"""PNG files: rows that the hole does not touch stay as they were filtered, and chunks that still hold stay."""

from __future__ import annotations

import binascii
import re
import zlib

import numpy as np

from faceinpaint.errors import NoPhotographError
from faceinpaint.photos import png, previews, stale
from faceinpaint.photos.coding import EXACT, Change, Decoded, PhotoFile, Written, check_same
from faceinpaint.photos.opening import as_array, kept_mode, load, opened, orientation_of

PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
OF_THE_COLOUR_TYPE = (b"bKGD", b"sBIT", b"hIST")
OF_ANIMATIONS = (b"acTL", b"fcTL", b"fdAT")
XMP = b"XML:com.adobe.xmp\0"
LAYERS = (b"prVW", b"mkBF", b"mkBS", b"mkBT", b"mkTS")  # of Fireworks: preview, layers
APPLE_OFFSETS, CREDENTIALS = b"iDOT", b"caBX"
RAW_PROFILE = re.compile(rb"Raw profile type (exif|APP1|app1|8bim|xmp)\0")
LONGEST_TEXT = 1 << 26  # bytes, inflated


class PngFile(PhotoFile):
    """A still PNG."""

    format = "PNG"

    def __init__(self, data: bytes):
        super().__init__(data)
        self.file = opened(data)
        if getattr(self.file, "is_animated", False):
            raise NoPhotographError("PNG of several pictures: split it into single ones first")
        self.parts = list(png.chunks(data))
        self.header = png.header(self.parts[0][1])
        self.size = (self.header.height, self.header.width)
        self.exif = next((body for name, body in self.parts if name == b"eXIf"), None)
        self.orientation = orientation_of(self.exif)
        self.xmp = next((_text(body) for _, body in self.parts if body.startswith(XMP)), None)
        self.plain = self.header.plain and not any(name == b"tRNS" for name, _ in self.parts)

    def decode(self) -> Decoded:
        profile = self.file.info.get("icc_profile")
        if self.header.depth == 16:
            samples = _with_clear_colour(png.decode(self.parts), self.parts)
            return Decoded(samples=samples, mode=png.MODES[samples.shape[2]], largest=65535, profile=profile)
        if self.plain:
            samples = png.decode(self.parts)
            return Decoded(samples=samples, mode=png.MODES[samples.shape[2]], profile=profile)
        load(self.file)
        image = kept_mode(self.file)
        return Decoded(samples=as_array(image), mode=image.mode, profile=profile)

    def encode(self, decoded: Decoded | None, change: Change, xmp: bytes) -> Written:
        samples = change.applied((decoded or self.decode()).samples)
        rows = self._changed_rows(samples, change) if self.plain else None
        coded = png.encode(samples) if rows is None else [self.parts[0], *png.deflated(rows), (b"IEND", b"")]
        data, dropped = framed(coded, self.parts, xmp, lambda: samples)
        parts = list(png.chunks(data))
        if rows is None:
            check_same(png.decode(parts), samples, "PNG")
        else:
            check_same(png.read_rows(parts), rows, "PNG")
        return Written(data=data, fidelity=EXACT, dropped=dropped)

    def _changed_rows(self, samples: np.ndarray, change: Change) -> np.ndarray | None:
        """Filtered rows, those that the hole touches anew and proved to be ``samples``; None if they cannot be kept."""
        touched = np.flatnonzero(change.hole.any(1))
        try:
            rows = png.read_rows(self.parts)
        except png.InputError:  # too many bytes, which decoders do not mind
            return None
        if not len(touched):
            return rows
        top, bottom = change.top + touched[0], change.top + touched[-1] + 1
        png.change_rows(rows, samples, top, bottom)
        png.check_rows(rows, samples, top, bottom)
        return rows


def framed(
    coded: list[png.Chunk], source: list[png.Chunk], xmp: bytes, samples: previews.Samples
) -> tuple[bytes, list[str]]:
    """A PNG of the pixels in ``coded`` and the chunks of ``source`` that still hold; and what was left out."""
    dropped = {*PIXELS, *OF_ANIMATIONS, APPLE_OFFSETS}
    if source[0][1][8:10] != coded[0][1][8:10]:  # another depth or colour type
        dropped |= {*OF_THE_COLOUR_TYPE}
    kept, notes = [], []
    for name, body in source:
        note = _stale_chunk(name, body)
        if note is not None:
            notes.append(note)
        elif name == b"eXIf":
            fresh, done = previews.renewed_from(body, samples)
            kept.append((name, fresh))
            notes += done
        elif name not in dropped and not body.startswith(XMP):
            kept.append((name, body))
    statement = (b"iTXt", XMP + bytes(4) + xmp)  # not compressed, no language, no translated keyword
    return png.file_of([coded[0], *kept, statement, *coded[1:]]), notes


def _stale_chunk(name: bytes, body: bytes) -> str | None:
    if name == CREDENTIALS:
        return stale.CREDENTIALS
    if name in LAYERS:
        return stale.LAYERS
    if name in (b"zTXt", b"tEXt", b"iTXt") and (found := RAW_PROFILE.match(body)):
        if found[1] == b"xmp":
            return "second XMP packet"
        if b"\xff\xd8\xff" in _raw_profile(name, body):
            return stale.PREVIEW
    return None


def _text(body: bytes) -> bytes:
    """The text of an iTXt chunk; empty when it is damaged."""
    _, _, rest = body.partition(b"\0")
    compressed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.split(b"\0", 2)[-1]
    return _inflated(text) if compressed else text


def _raw_profile(name: bytes, body: bytes) -> bytes:
    """What ImageMagick hides as hexadecimal text."""
    content = body.partition(b"\0")[2]
    text = _inflated(content[1:]) if name == b"zTXt" else content if name == b"tEXt" else _text(body)
    digits = b"".join(text.split()[2:])
    try:
        return binascii.unhexlify(digits)
    except binascii.Error:
        return b""


def _inflated(text: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(text, LONGEST_TEXT)
    except zlib.error:
        return b""


def _with_clear_colour(samples: np.ndarray, parts: list[png.Chunk]) -> np.ndarray:
    """Samples of 16 bits whose one transparent colour, if there is one, has become an alpha channel."""
    key = next((body for name, body in parts if name == b"tRNS"), None)
    if key is None or samples.shape[2] in (2, 4):
        return samples
    seen = (samples != np.frombuffer(key, ">u2")).any(-1, keepdims=True)
    return np.concatenate([samples, seen.astype(np.uint16) * 65535], -1)
