"""TIFF files of one page: see tiff for their pixels. Palettes become RGB and fewer than 8 bits per channel become 8."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cached_property

import numpy as np
import tifffile

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.photos import previews, stale, tiff
from faceinpaint.photos.coding import BLOCKS, CAPTIONS, EXACT, Change, Decoded, PhotoFile, Written, check_same
from faceinpaint.photos.colours import to_8_bits
from faceinpaint.photos.jpeg import CannotKeepBlocksError
from faceinpaint.photos.tiff_container import Page, Tags, Tiff, read_tiff, write_tiff
from faceinpaint.photos.tiff_exif import dpi_of_tiff, exif_of_tiff
from faceinpaint.photos.view import colours_of

XMP, PROFILE, RESOURCES = 700, 34675, 34377
LAYERS, CREDENTIALS, EXIF = 37724, 52545, 34665
IPTC = 33723
UNDEFINED = 7  # type
LZW = 5
# Tags that describe how samples are laid out: the encoder's business where a page is coded anew
LAYOUT = {256, 257, 258, 259, 262, 266, 277, 278, 284, 292, 293, 301, 317, 320, 322, 323, 338, 339, 347}


class TiffFile(PhotoFile):
    """A TIFF, classic or BigTIFF."""

    format = "TIFF"

    def __init__(self, data: bytes):
        super().__init__(data)
        self.tiff, self.dropped = tiff.pictures(read_tiff(data))
        if len(self.tiff.pages) > 1:
            raise NoPhotographError("TIFF of several pictures: split it into single ones first")
        self.size = (tiff.first(self.tiff, 0, tiff.HEIGHT, 0), tiff.first(self.tiff, 0, tiff.WIDTH, 0))
        orientation = tiff.first(self.tiff, 0, tiff.ORIENTATION, 1)
        self.orientation = orientation if orientation in range(1, 9) else 1
        tags = self.tiff.pages[0].tags
        self.xmp = _content(tags, XMP)
        self.lossless = tiff.first(self.tiff, 0, tiff.COMPRESSION, 1) != tiff.JPEG
        self.block = (1, 1) if self.lossless else (16, 16)
        self.plain = tiff.is_plain(self.tiff)

    @cached_property
    def exif(self) -> bytes | None:  # type: ignore[override]  # asked for where a file of another format is written
        return exif_of_tiff(self.data, self.orientation)

    @cached_property
    def dpi(self) -> tuple[float, float] | None:  # type: ignore[override]
        return dpi_of_tiff(self.data)

    def without_place(self) -> list[str]:
        return [CAPTIONS] if IPTC in self.tiff.pages[0].tags else []

    def decode(self) -> Decoded:
        profile = _content(self.tiff.pages[0].tags, PROFILE)
        if self.plain:
            found = tiff.read_samples(self.tiff)
            largest = 255 if found.values.dtype == np.uint8 else 65535
            _check_finite(found.values)
            return Decoded(samples=found.values, mode=found.mode, largest=largest, profile=profile)
        return Decoded(samples=_expanded(self.tiff), mode="RGB" if _has_palette(self.tiff) else "L", profile=profile)

    def encode(self, decoded: Decoded | None, change: Change, xmp: bytes) -> Written:
        decoded = decoded or self.decode()
        samples = change.applied(decoded.samples)
        fidelity = EXACT if self.lossless else BLOCKS
        faults: list[str] = []
        if self.plain:
            try:
                new = tiff.change(self.tiff, samples, change.whole_hole(*self.size), faults=faults)
            except CannotKeepBlocksError as error:
                raise NoPhotographError(f"TIFF with JPEG inside: {error}; convert it first") from None
        else:
            new = _recoded(self.tiff, samples)
        page, notes = _fresh(new, xmp, lambda: _shown(samples, decoded.mode))
        data = write_tiff(new.with_page(0, page))
        if self.lossless:
            check_same(tiff.read_samples(read_tiff(data)).values, samples, "TIFF")
        return Written(data=data, fidelity=fidelity, dropped=self.dropped + notes, faults=sorted(set(faults)))


def _fresh(new: Tiff, xmp: bytes, shown: previews.Samples) -> tuple[Page, list[str]]:
    """The page with the packet ``xmp``, without what describes the old picture; and what was left out."""
    page = new.pages[0]
    tags, notes = dict(page.tags), []
    for tag, note in {LAYERS: stale.LAYERS, CREDENTIALS: stale.CREDENTIALS}.items():
        if tags.pop(tag, None) is not None:
            notes.append(note)
    resources = _content(tags, RESOURCES)
    if resources is not None:
        fresh, dropped = stale.fresh_resources(resources)
        notes += dropped
        tags[RESOURCES] = (UNDEFINED, len(fresh), fresh)
        if not fresh:
            del tags[RESOURCES]
    tags, done = _with_new_previews(tags, shown)
    tags[XMP] = (1, len(xmp), xmp)
    return replace(page, tags=tags), notes + done


def _with_new_previews(tags: Tags, shown: previews.Samples) -> tuple[Tags, list[str]]:
    """Tags whose values' JPEGs (previews in makers' notes) show the new picture, and what was done."""
    result, notes = dict(tags), []
    for tag, value in tags.items():
        if isinstance(value, dict):
            result[tag], done = _with_new_previews(value, shown)
        elif tag == tiff.JPEG_TABLES:
            continue
        else:
            content, done = previews.renewed_from(value[2], shown)
            result[tag] = (value[0], value[1], content)
        notes += done
    return result, notes


def _check_finite(samples: np.ndarray) -> None:
    """Raises :class:`NoPhotographError` for floats of which none is a number."""
    if samples.dtype.kind == "f" and not np.isfinite(samples).any():
        raise NoPhotographError("TIFF of floats without a single number: nothing to see")


def _shown(samples: np.ndarray, mode: str) -> np.ndarray:
    """Samples (H, W, C) as previews show them: uint8 or uint16."""
    if mode == "CMYK":
        return 255 - samples[..., :3]
    if samples.dtype in (np.uint8, np.uint16):
        return samples
    colours = colours_of(samples, mode, None, None)
    return to_8_bits(samples[..., : colours.channels], colours.top, colours.black)


def _content(tags: Tags, tag: int) -> bytes | None:
    value = tags.get(tag)
    return value[2] if isinstance(value, tuple) else None


def _has_palette(file: Tiff) -> bool:
    return tiff.first(file, 0, tiff.PHOTOMETRIC, 1) == tiff.PALETTE


def _expanded(file: Tiff) -> np.ndarray:
    """A page of a palette or of fewer than 8 bits as uint8 RGB or grey (H, W, C).

    Raises :class:`NoPhotographError` for other pages, :class:`InputError` for damage.
    """
    bits, photometric = file.numbers(0, tiff.BITS) or (1,), tiff.first(file, 0, tiff.PHOTOMETRIC, 1)
    if len(bits) != 1 or bits[0] > 8 or photometric not in (0, 1, tiff.PALETTE):
        raise NoPhotographError(f"TIFF of {'/'.join(map(str, bits))} bits per channel: convert it to 8 or 16 first")
    with tiff.opened(file) as reader:
        page = reader.pages[0]
        try:
            places = np.asarray(page.asarray()).astype(np.uint8)
            if photometric == tiff.PALETTE:
                return np.moveaxis(page.colormap >> 8, 0, -1).astype(np.uint8)[places]
        except tiff.DAMAGE as error:
            raise InputError(f"not a readable picture: {error}") from None
    levels = places * (255 // ((1 << bits[0]) - 1))
    return (levels if photometric == 1 else 255 - levels)[..., None]


def _recoded(file: Tiff, samples: np.ndarray) -> Tiff:
    """The TIFF with its one page coded anew, in strips."""
    compression = tiff.first(file, 0, tiff.COMPRESSION, 1)
    sink = io.BytesIO()
    tifffile.imwrite(
        sink,
        samples if samples.shape[2] == 3 else samples[..., 0],
        byteorder=file.order,  # type: ignore[arg-type]
        bigtiff=file.big,
        photometric="rgb" if samples.shape[2] == 3 else "minisblack",
        compression=(compression if compression in tiff.LOSSLESS else LZW) if compression != 1 else None,
        metadata=None,
    )
    page = read_tiff(sink.getvalue()).pages[0]
    layout = {tag: value for tag, value in page.tags.items() if tag in LAYOUT}
    rest = {tag: value for tag, value in file.pages[0].tags.items() if tag not in LAYOUT}
    return file.with_page(0, replace(page, tags=rest | layout))
