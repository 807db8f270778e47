"""A photograph of an archive: decoded for the model, and written back as what it was but for the hole.

One decoder and one encoder for all: which kind of file it is, is decided here; how each kind keeps what the hole does
not touch, in the modules of their names. Samples lie as stored; what is seen is turned upright by EXIF's orientation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.images import flips, stored, upright
from faceinpaint.photos import png
from faceinpaint.photos.bitmap import is_bare_bmp, is_pnm
from faceinpaint.photos.bitmap_file import BmpFile, PnmFile
from faceinpaint.photos.coding import EXACT, Change, Decoded, PhotoFile, Written, check_same
from faceinpaint.photos.colours import to_8_bits
from faceinpaint.photos.jp2 import is_jp2
from faceinpaint.photos.jp2_file import Jp2File
from faceinpaint.photos.jpeg_file import JpegFile
from faceinpaint.photos.opening import DAMAGE
from faceinpaint.photos.pages import TIFF_STARTS
from faceinpaint.photos.pillow_file import PillowFile
from faceinpaint.photos.png_file import PngFile, framed
from faceinpaint.photos.tiff_file import TiffFile
from faceinpaint.photos.view import View, colours_of, view_of

SMALLEST_SIDE = 16  # pixels
LARGEST_AREA = 120_000_000  # pixels


Box = tuple[int, int, int, int]  # x0, y0, x1, y1


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a picture that holds all of its holes: what has to be known to fill them.

    view: the part as stored; box: its place upright, pixels; size: (H, W) of the upright picture; orientation: EXIF's.
    """

    view: View
    box: Box
    size: tuple[int, int]
    orientation: int

    @property
    def rgb(self) -> np.ndarray:
        """What the model sees: upright uint8 sRGB (h, w, 3)."""
        return upright(self.view.rgb, self.orientation)

    def change(self, restored: np.ndarray, hole: np.ndarray, opaque: bool = False) -> Change:
        """New samples for the file from ``restored`` uint8 RGB (h, w, 3), upright, where ``hole`` uint8 (h, w) is 1.

        ``opaque``: the hole's pixels lose their transparency. They do so too where the picture was erased in the hole.
        """
        inside = stored(hole, self.orientation) > 0
        opaque = opaque or self.view.is_erased(inside)
        samples = self.view.filled(stored(restored, self.orientation), inside, opaque)
        left, top, _, _ = stored_box(self.box, self.size, self.orientation)
        return Change(samples=samples, hole=inside, left=left, top=top, opaque=opaque)


@dataclass(frozen=True)
class Photo:
    """A decoded picture and the file that it came from."""

    file: PhotoFile
    decoded: Decoded

    @cached_property
    def rgb(self) -> np.ndarray:
        """Upright uint8 sRGB (H, W, 3), as far as it can be told before the hole is known: see :meth:`view`."""
        return upright(self.view().rgb, self.file.orientation)

    @property
    def alpha(self) -> np.ndarray | None:
        """Upright transparency uint8 (H, W), 255 opaque; None without."""
        decoded = self.decoded
        if not decoded.mode.endswith("A"):
            return None
        colours = colours_of(decoded.samples, decoded.mode, None, None, decoded.largest)
        levels = to_8_bits(decoded.samples[..., colours.channels], colours.alpha_top)
        return upright(levels, self.file.orientation)

    def view(self, hole: np.ndarray | None = None) -> View:
        """How the model is to see the picture, as stored. hole: upright uint8 (H, W), 1 in the hole, if it is known."""
        decoded, inside = self.decoded, hole
        if hole is not None:
            inside = np.ascontiguousarray(stored(hole, self.file.orientation))
        return view_of(decoded.samples, decoded.mode, decoded.profile, inside, decoded.largest)

    def whole(self, view: View | None = None) -> Part:
        """All of the picture."""
        height, width = self.file.upright_size
        return self.part((0, 0, width, height), view)

    def part(self, box: Box, view: View | None = None) -> Part:
        """What lies in ``box`` of the upright picture. ``view``: with all of its holes, if they are known."""
        orientation, size = self.file.orientation, self.file.upright_size
        view = (view or self.view()).part(stored_box(box, size, orientation))
        return Part(view=view, box=box, size=size, orientation=orientation)


def stored_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Where a ``box`` of the upright picture of ``size`` (H, W) lies in the stored one."""
    x0, y0, x1, y1 = box
    rows, columns = flips(orientation)
    if rows.step == -1:
        y0, y1 = size[0] - y1, size[0] - y0
    if columns.step == -1:
        x0, x1 = size[1] - x1, size[1] - x0
    return (y0, x0, y1, x1) if orientation >= 5 else (x0, y0, x1, y1)


def open_photo(data: bytes) -> PhotoFile:
    """A file by its bytes, not decoded.

    Raises :class:`NoPhotographError` for what is not a picture or not ours to restore, :class:`InputError` for a
    damaged picture.
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


def check_png_holds(decoded: Decoded) -> None:
    """Raises :class:`NoPhotographError` for samples of more than 16 bits."""
    if decoded.samples.dtype not in (np.uint8, np.uint16):
        raise NoPhotographError("a PNG holds 16 bits at most, and this picture has more: keep its format")


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
    check_png_holds(decoded)
    samples = change.applied(decoded.samples)[..., : len(decoded.mode)]
    profile = decoded.profile
    if decoded.mode == "CMYK":
        samples, profile = view_of(samples, "CMYK", profile).rgb, None  # the profile speaks of inks
    elif decoded.largest not in (255, 65535):
        samples = np.rint(samples * np.float32(65535 / decoded.largest)).astype(np.uint16)
    coded = png.encode(samples)
    own = png.metadata(coded[0], file.exif, profile, file.dpi)
    data, dropped = framed(coded, own, xmp, lambda: samples)
    check_same(png.decode(list(png.chunks(data))), samples, "PNG")
    lost = dropped + file.left_behind() + file.without_place()
    return Written(data=data, fidelity=EXACT, dropped=lost, faults=file.faults())
