"""A photograph of an archive: decoded for the model, and written back as what it was but for the hole.

One decoder and one encoder for all: which kind of file it is, is decided here; how each kind keeps what the hole does
not touch, in the modules of their names. Samples lie as stored; what is seen is turned upright by EXIF's orientation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.photos import png
from faceinpaint.photos.bitmap import is_bare_bmp, is_pnm
from faceinpaint.photos.bitmap_file import BmpFile, PnmFile
from faceinpaint.photos.coding import EXACT, Change, Decoded, PhotoFile, Written, check_same
from faceinpaint.photos.jp2 import is_jp2
from faceinpaint.photos.jp2_file import Jp2File
from faceinpaint.photos.jpeg_file import JpegFile
from faceinpaint.photos.opening import DAMAGE, as_array, as_image
from faceinpaint.photos.pages import TIFF_STARTS
from faceinpaint.photos.pillow_file import PillowFile
from faceinpaint.photos.png_file import PngFile, framed
from faceinpaint.photos.tiff_file import TiffFile

SMALLEST_SIDE = 16  # pixels
LARGEST_AREA = 120_000_000  # pixels


Box = tuple[int, int, int, int]  # x0, y0, x1, y1


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a picture that holds all of its holes: what has to be known to fill them.

    rgb: upright uint8 (h, w, 3); box: its place upright, pixels; samples: the same part as stored, of ``mode`` and
    ``largest`` level; size: (H, W) of the upright picture; orientation: EXIF's.
    """

    rgb: np.ndarray
    box: Box
    samples: np.ndarray
    mode: str
    largest: int
    size: tuple[int, int]
    orientation: int

    def change(self, restored: np.ndarray, hole: np.ndarray, opaque: bool = False) -> Change:
        """New samples for the file from ``restored`` uint8 RGB (h, w, 3), upright, where ``hole`` uint8 (h, w) is 1.

        ``opaque``: the hole's pixels lose their transparency.
        """
        inside = stored(hole, self.orientation) > 0
        samples = self.samples.copy()
        colours = written(stored(restored, self.orientation), self.mode, self.largest, samples.dtype)
        samples[inside, : colours.shape[2]] = colours[inside]
        if opaque and self.mode.endswith("A"):
            samples[inside, len(self.mode) - 1] = self.largest
        left, top, _, _ = stored_box(self.box, self.size, self.orientation)
        return Change(samples=samples, hole=inside, left=left, top=top, opaque=opaque)


@dataclass(frozen=True)
class Photo:
    """A decoded picture and the file that it came from."""

    file: PhotoFile
    decoded: Decoded

    @property
    def rgb(self) -> np.ndarray:
        """Upright uint8 RGB (H, W, 3)."""
        return upright(seen(self.decoded.samples, self.decoded.mode, self.decoded.largest), self.file.orientation)

    @property
    def alpha(self) -> np.ndarray | None:
        """Upright transparency uint8 (H, W), 255 opaque; None without."""
        mode = self.decoded.mode
        if not mode.endswith("A"):
            return None
        channel = self.decoded.samples[..., len(mode) - 1]
        return upright(to_8_bits(channel, self.decoded.largest), self.file.orientation)

    @property
    def block(self) -> tuple[int, int]:
        """Height and width, upright, of what the file's coding changes together; (1, 1) without loss."""
        high, wide = self.file.block
        return (wide, high) if self.file.orientation >= 5 else (high, wide)

    def whole(self) -> Part:
        """All of the picture."""
        rgb = self.rgb
        return self.part((0, 0, rgb.shape[1], rgb.shape[0]), rgb)

    def part(self, box: Box, rgb: np.ndarray | None = None) -> Part:
        """What lies in ``box`` of the upright picture. ``rgb``: :attr:`rgb`, if it is at hand."""
        x0, y0, x1, y1 = box
        orientation, decoded = self.file.orientation, self.decoded
        size = self.file.size[::-1] if orientation >= 5 else self.file.size
        left, top, right, bottom = stored_box(box, size, orientation)
        return Part(
            rgb=(self.rgb if rgb is None else rgb)[y0:y1, x0:x1].copy(),
            box=box,
            samples=decoded.samples[top:bottom, left:right].copy(),
            mode=decoded.mode,
            largest=decoded.largest,
            size=size,
            orientation=orientation,
        )


def seen(samples: np.ndarray, mode: str, largest: int) -> np.ndarray:
    """Samples (H, W, C) of a file -> uint8 RGB (H, W, 3), as the model is to see them."""
    channels = len(mode)
    if mode == "RGB" and largest == 255:
        return samples[..., :channels]
    return np.asarray(as_image(to_8_bits(samples[..., :channels], largest), mode).convert("RGB"))


def written(rgb: np.ndarray, mode: str, largest: int, dtype: np.dtype) -> np.ndarray:
    """Inverse of :func:`seen`: samples (H, W, C) of the colours, without transparency."""
    levels = as_array(Image.fromarray(np.ascontiguousarray(rgb)).convert(mode.removesuffix("A")))
    if largest == 255:
        return levels.astype(dtype, copy=False)
    return np.rint(levels * np.float32(largest / 255)).astype(dtype)


def to_8_bits(samples: np.ndarray, largest: int) -> np.ndarray:
    """Samples of 0 to ``largest`` -> uint8."""
    if largest == 255:
        return samples.astype(np.uint8, copy=False)
    if largest == 65535:
        return (samples >> 8).astype(np.uint8)
    return np.rint(samples * np.float32(255 / largest)).clip(0, 255).astype(np.uint8)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W, ...), turned as EXIF's ``orientation`` (1-8) says."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[_flips(orientation)])


def stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Inverse of :func:`upright`."""
    pixels = pixels[_flips(orientation)]
    return pixels.swapaxes(0, 1) if orientation >= 5 else pixels


def stored_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Where a ``box`` of the upright picture of ``size`` (H, W) lies in the stored one."""
    x0, y0, x1, y1 = box
    rows, columns = _flips(orientation)
    if rows.step == -1:
        y0, y1 = size[0] - y1, size[0] - y0
    if columns.step == -1:
        x0, x1 = size[1] - x1, size[1] - x0
    return (y0, x0, y1, x1) if orientation >= 5 else (x0, y0, x1, y1)


def _flips(orientation: int) -> tuple[slice, slice]:
    """Of rows and columns, for upright pixels."""
    return slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1), slice(
        None, None, -1 if orientation in (2, 3, 6, 7) else 1
    )


def open_photo(data: bytes) -> PhotoFile:
    """A file by its bytes, not decoded.

    Raises :class:`NoPhotographError` for what is no picture or not ours to restore, :class:`InputError` for a damaged
    picture.
    """
    try:
        file = _kind(data)(data)
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"not a readable picture: {error}") from None
    height, width = file.size
    if min(width, height) < SMALLEST_SIDE or width * height > LARGEST_AREA:
        limits = f"from {SMALLEST_SIDE} px a side to {LARGEST_AREA // 10**6} megapixels"
        raise NoPhotographError(f"{width}x{height} pixels: pictures {limits} are restored")
    return file


def _kind(data: bytes) -> type[PhotoFile]:
    if data.startswith(b"\xff\xd8\xff"):
        return JpegFile
    if data.startswith(png.SIGNATURE):
        return PngFile
    if data.startswith(TIFF_STARTS):
        return TiffFile
    if is_jp2(data):
        return Jp2File
    if is_pnm(data):
        return PnmFile
    return BmpFile if is_bare_bmp(data) else PillowFile


def read_photo(data: bytes) -> Photo:
    """Open and decode a file. Raises as :func:`open_photo`."""
    file = open_photo(data)
    try:
        return Photo(file, file.decode())
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"not a readable picture: {error}") from None


def encode_photo(
    file: PhotoFile, change: Change, xmp: bytes, as_png: bool = False, decoded: Decoded | None = None
) -> Written:
    """The file with ``change`` in it (see :meth:`Part.change`) and the XMP packet ``xmp``, or a PNG of it.

    Its own packet is to be taken into ``xmp``: see :func:`faceinpaint.photos.stale.fresh_xmp`. ``decoded``: of the
    file, if it is at hand. Raises ``RuntimeError`` when the new file does not read back as it should.
    """
    change = change.trimmed()
    if not as_png or file.format == "PNG":
        return file.encode(decoded, change, xmp)
    decoded = decoded or file.decode()
    samples = change.applied(decoded.samples)[..., : len(decoded.mode)]
    profile = decoded.profile
    if decoded.mode == "CMYK":
        samples, profile = seen(samples, "CMYK", decoded.largest), None  # the profile speaks of inks
    if decoded.largest not in (255, 65535):
        samples = np.rint(samples * np.float32(65535 / decoded.largest)).astype(np.uint16)
    coded = png.encode(samples)
    own = png.metadata(coded[0], file.exif, profile, file.dpi)
    data, dropped = framed(coded, own, xmp, lambda: samples)
    check_same(png.decode(list(png.chunks(data))), samples, "PNG")
    return Written(data=data, fidelity=EXACT, dropped=dropped + file.left_behind())
