"""TIFF of 8, 16 and 32 bits per channel, and of floats: only the strips and tiles that a hole touches are coded anew.

tifffile decodes and encodes the samples; all else, tags and untouched segments, is carried as bytes (tiff_container).
JPEGs inside keep the blocks that the hole does not touch (jpeg).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tifffile

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.photos import jpeg
from faceinpaint.photos.coding import Change
from faceinpaint.photos.tiff_container import Tiff, read_tiff, write_tiff

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION = 256, 257, 258, 259, 262, 274
CHANNELS, ROWS, PLANES, PREDICTOR, TILE_WIDTH, TILE_HEIGHT = 277, 278, 284, 317, 322, 323
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 338, 339, 347
KIND, DNG_VERSION = 254, 50706
PREVIEW_KIND, MASK_KIND = 1, 4  # bits of KIND
WHITE_IS_ZERO, GREY, RGB, PALETTE, INKS, YCC = 0, 1, 2, 3, 5, 6  # of PHOTOMETRIC
PREMULTIPLIED, ALPHA = 1, 2  # of EXTRA_SAMPLES
JPEG = 7  # of COMPRESSION
LOSSLESS = {1, 5, 8, 32773, 32946, 34925, 50000}  # none, LZW, deflate, PackBits, old deflate, LZMA, Zstandard
DAMAGE = (ValueError, RuntimeError, OSError, TypeError, IndexError, KeyError, tifffile.TiffFileError)
NAMES = {6: "JPEG of the old kind", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 50001: "WebP"}
WHOLE, FRACTION = 1, 3  # of SAMPLE_FORMAT
OF_FLOATS = 3  # of PREDICTOR
BITS_OF = {WHOLE: {8, 16, 32}, FRACTION: {16, 32, 64}}
KINDS = {np.dtype(kind) for kind in (np.uint8, np.uint16, np.uint32, np.float16, np.float32, np.float64)}
COLOURS = {WHITE_IS_ZERO: 1, GREY: 1, RGB: 3, INKS: 4, YCC: 3}


@dataclass(frozen=True)
class Samples:
    """A decoded page. values: one of KINDS, (H, W, C), C colours and what is kept beside them; colours: their number;
    alpha: whether the next channel is transparency; lossless: of the coding."""

    values: np.ndarray
    colours: int
    alpha: bool
    lossless: bool

    @property
    def mode(self) -> str:
        """As Pillow calls the colours and their transparency."""
        return {1: "L", 3: "RGB", 4: "CMYK"}[self.colours] + ("A" if self.alpha else "")


def pictures(tiff: Tiff) -> tuple[Tiff, list[str]]:
    """The TIFF without pages that are previews or masks of others, and what was left out.

    Raises :class:`NoPhotographError` for camera raw files, whose first page is a preview.
    """
    kinds = [(tiff.numbers(i, KIND) or (0,))[0] for i in range(len(tiff.pages))]
    if kinds[0] & PREVIEW_KIND or DNG_VERSION in tiff.pages[0].tags:
        raise NoPhotographError("a camera's raw file: develop it first")
    kept = [page for page, kind in zip(tiff.pages, kinds, strict=True) if not kind & (PREVIEW_KIND | MASK_KIND)]
    dropped = ["smaller pictures of it (pages)"] if len(kept) < len(kinds) else []
    return replace(tiff, pages=kept), tiff.dropped + dropped


def is_plain(tiff: Tiff, index: int = 0) -> bool:
    """Whether a page's channels are all of one of the kinds that are read, and not a palette or single bits."""
    bits, photometric = set(tiff.numbers(index, BITS)), tiff.numbers(index, PHOTOMETRIC)
    known = BITS_OF.get(first(tiff, index, SAMPLE_FORMAT, WHOLE), BITS_OF[WHOLE])
    return bool(bits) and bits <= known and photometric != (PALETTE,)


def read_samples(tiff: Tiff, index: int = 0) -> Samples:
    """Decode a page that :func:`is_plain`.

    Raises :class:`NoPhotographError` for what cannot be kept, with the reason, and :class:`InputError` for damage.
    """
    photometric, compression = (first(tiff, index, tag, 1) for tag in (PHOTOMETRIC, COMPRESSION))
    colours, channels = COLOURS.get(photometric), first(tiff, index, CHANNELS, 1)
    extra = tiff.numbers(index, EXTRA_SAMPLES)
    if colours is None or channels < colours:
        raise NoPhotographError("TIFF whose colours are none of grey, RGB, CMYK: convert it first")
    _check_numbers(tiff, index, photometric)
    if compression not in LOSSLESS | {JPEG}:
        name = NAMES.get(compression, f"compression {compression}")
        raise NoPhotographError(f"TIFF with {name} inside would not come back the same: convert it first")
    if photometric == YCC and compression != JPEG:
        raise NoPhotographError("TIFF of YCbCr without JPEG: convert it to RGB first")
    if PREMULTIPLIED in extra:
        raise NoPhotographError("TIFF with premultiplied alpha would change: convert it first")
    with opened(tiff, index) as file:
        try:
            values = file.pages[0].asarray()
        except DAMAGE as error:
            raise InputError(f"not a readable picture: {error}") from None
    if _in_planes(tiff, index) and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    values = np.ascontiguousarray(values).reshape(*values.shape[:2], -1)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.shape[2] != channels or values.dtype not in KINDS:
        raise NoPhotographError("TIFF of an unknown kind: convert it first")
    if photometric == WHITE_IS_ZERO:
        values = np.concatenate([~values[..., :1], values[..., 1:]], -1)
    return Samples(values, colours, extra[:1] == (ALPHA,), compression != JPEG)


def _check_numbers(tiff: Tiff, index: int, photometric: int) -> None:
    """Raises :class:`NoPhotographError` for numbers whose meaning is not clear."""
    formats = set(tiff.numbers(index, SAMPLE_FORMAT)) or {WHOLE}
    if len(formats) > 1 or not formats <= set(BITS_OF):
        raise NoPhotographError("TIFF of numbers with a sign, or of unknown ones: convert it to 8 or 16 bits first")
    if formats == {FRACTION} and first(tiff, index, PREDICTOR, 1) not in (1, OF_FLOATS):
        raise NoPhotographError("TIFF of floats coded as if they were whole numbers (predictor 2): convert it first")
    wide = max(tiff.numbers(index, BITS)) > 16 or formats == {FRACTION}
    if wide and photometric not in (GREY, RGB):
        raise NoPhotographError(
            "TIFF of 32 bits or floats that is neither grey, with black as 0, nor RGB: convert it first"
        )


def change(tiff: Tiff, new: np.ndarray, hole: np.ndarray, index: int = 0, faults: list[str] | None = None) -> Tiff:
    """The TIFF with the samples ``new`` (H, W, C) of a page where ``hole`` bool (H, W) is set; ``faults``: as
    :func:`faceinpaint.photos.jpeg.change_blocks` has it.

    Raises :class:`faceinpaint.photos.jpeg.CannotKeepBlocksError`.
    """
    if first(tiff, index, PHOTOMETRIC, 1) == WHITE_IS_ZERO:
        new = np.concatenate([~new[..., :1], new[..., 1:]], -1)
    page = tiff.pages[index]
    segments = list(page.segments)
    for number, (y, x, height, width, planes) in enumerate(_layout(tiff, index)):
        part = hole[y : y + height, x : x + width]
        if part.any():
            samples = new[y : y + height, x : x + width, planes]
            segments[number] = _coded(tiff, index, segments[number], samples, part, (height, width), faults)
    return tiff.with_page(index, replace(page, segments=segments))


def first(tiff: Tiff, index: int, tag: int, default: int) -> int:
    """The first number of a tag."""
    return (tiff.numbers(index, tag) or (default,))[0]


def _in_planes(tiff: Tiff, index: int) -> bool:
    return first(tiff, index, PLANES, 1) == 2 and first(tiff, index, CHANNELS, 1) > 1


def _layout(tiff: Tiff, index: int) -> Iterator[tuple[int, int, int, int, slice]]:
    """(y, x, height, width, channels) of each segment, as far as it could reach."""
    height, width, channels = (first(tiff, index, tag, 1) for tag in (HEIGHT, WIDTH, CHANNELS))
    if tiff.pages[index].tiled:
        high, wide = first(tiff, index, TILE_HEIGHT, height), first(tiff, index, TILE_WIDTH, width)
    else:
        high, wide = min(first(tiff, index, ROWS, height), height), width
    planes = [slice(i, i + 1) for i in range(channels)] if _in_planes(tiff, index) else [slice(None)]
    for plane in planes:
        for y in range(0, height, high):
            for x in range(0, width, wide):
                room = high if tiff.pages[index].tiled else min(high, height - y)
                yield y, x, room, wide, plane


def _coded(
    tiff: Tiff,
    index: int,
    old: bytes,
    samples: np.ndarray,
    hole: np.ndarray,
    shape: tuple[int, int],
    faults: list[str] | None,
) -> bytes:
    """A segment of ``shape`` with ``samples`` in it. Beyond the picture's edge a tile repeats its last pixels."""
    compression = first(tiff, index, COMPRESSION, 1)
    if compression == JPEG:
        return _changed_jpeg(tiff, index, old, samples, hole, faults)
    margins = ((0, shape[0] - samples.shape[0]), (0, shape[1] - samples.shape[1]), (0, 0))
    padded = np.pad(samples, margins, mode="edge")
    sink = io.BytesIO()
    tifffile.imwrite(
        sink,
        padded if padded.shape[2] > 1 else padded[..., 0],
        byteorder=tiff.order,  # type: ignore[arg-type]
        photometric="minisblack",
        planarconfig="contig" if padded.shape[2] > 1 else None,
        rowsperstrip=shape[0],
        compression=None if compression == 1 else compression,
        predictor=first(tiff, index, PREDICTOR, 1) if compression not in (1, 32773) else None,
        metadata=None,
    )
    return read_tiff(sink.getvalue()).pages[0].segments[0]


def _changed_jpeg(
    tiff: Tiff, index: int, old: bytes, samples: np.ndarray, hole: np.ndarray, faults: list[str] | None
) -> bytes:
    """A JPEG segment, with its tables inside, whose blocks without a hole are the same."""
    tables = tiff.pages[index].tags.get(JPEG_TABLES)
    whole = old
    if isinstance(tables, tuple) and old.startswith(b"\xff\xd8"):
        whole = old[:2] + tables[2].removeprefix(b"\xff\xd8").removesuffix(b"\xff\xd9") + old[2:]
    space = jpeg.YCC if first(tiff, index, PHOTOMETRIC, 1) == YCC else jpeg.AS_STORED
    return jpeg.change_blocks(whole, Change(samples=samples, hole=hole), space=space, faults=faults)


def opened(tiff: Tiff, index: int = 0) -> Any:
    """A page alone, as tifffile reads it."""
    return tifffile.TiffFile(io.BytesIO(write_tiff(replace(tiff, pages=[tiff.pages[index]]))))
