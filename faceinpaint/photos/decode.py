"""The one decoder of pictures that are looked at and not written back: prepare, train, evaluate.

It sees what restoration sees (:mod:`~faceinpaint.photos.view`), and reads more: 32 bits, floats, planes, other formats'
first picture.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.images import upright
from faceinpaint.photos.opening import DAMAGE, check_runs_nothing, orientation_of
from faceinpaint.photos.photo import TIFF_STARTS, read_photo
from faceinpaint.photos.view import view_of

ORIENTATION = 0x0112  # EXIF and TIFF tag
BITS = 258  # TIFF tag
LARGEST_AREA = 180_000_000  # pixels
WITH_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")


@dataclass(frozen=True)
class Picture:
    """rgb: upright uint8 sRGB (H, W, 3), over white where it is transparent; orientation: as it was stored, EXIF's."""

    rgb: np.ndarray
    orientation: int


def decode_rgb(data: bytes) -> np.ndarray:
    """Encoded bytes -> upright uint8 sRGB (H, W, 3). Raises :class:`InputError`, whatever is wrong with them."""
    return decode_picture(data).rgb


def decode_picture(data: bytes) -> Picture:
    """Encoded bytes -> what is seen, and how it was stored. Raises :class:`InputError`, whatever is wrong with them."""
    try:
        return _decoded(data)
    except InputError:
        raise
    except MemoryError:
        raise InputError("not a readable picture: too large for this machine's memory") from None
    except Exception as error:  # hostile files make decoders raise anything
        what = str(error) or type(error).__name__
        raise InputError(f"not a readable picture: {what.splitlines()[0]}") from None


def _decoded(data: bytes) -> Picture:
    with suppress(NoPhotographError):  # what restoration refuses to write may be looked at all the same
        photo = read_photo(data)
        return Picture(photo.rgb, photo.file.orientation)
    try:
        file = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:  # its message holds a memory address
        if data[:4] in TIFF_STARTS:
            return _with_tifffile(data)
        raise InputError("not a picture of a known format") from None
    with file:
        check_runs_nothing(file)
        if file.width * file.height > LARGEST_AREA:
            raise InputError(f"{file.width}x{file.height} pixels are more than {LARGEST_AREA // 10**6} million")
        if file.format == "TIFF" and max(file.tag_v2.get(BITS, (1,))) > 8:  # type: ignore[attr-defined]
            with suppress(*DAMAGE):  # Pillow cuts such samples off where tifffile does not
                return _with_tifffile(data)
        file.load()
        samples, mode = _samples(file)
        return _seen(samples, mode, file.info.get("icc_profile"), orientation_of(file.info.get("exif")))


def _seen(samples: np.ndarray, mode: str, profile: bytes | None, orientation: int) -> Picture:
    return Picture(upright(view_of(samples, mode, profile).rgb, orientation), orientation)


def _samples(file: Image.Image) -> tuple[np.ndarray, str]:
    """Samples (H, W, C) of a loaded picture of any mode, and the mode that they are of."""
    if file.mode.startswith("I") or file.mode == "F":
        return np.asarray(file)[..., None], "L"
    if file.mode in WITH_ALPHA or "transparency" in file.info:
        image = file.convert("RGBA")
    elif file.mode in ("L", "CMYK", "LAB"):
        image = file
    else:
        image = file.convert("L" if file.mode == "1" else "RGB")
    samples = np.asarray(image)
    return samples.reshape(*samples.shape[:2], -1), image.mode


def _with_tifffile(data: bytes) -> Picture:
    """TIFFs that Pillow does not know: planes, floats, odd numbers of bits."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        if page.imagewidth * page.imagelength > LARGEST_AREA:
            raise InputError(
                f"{page.imagewidth}x{page.imagelength} pixels are more than {LARGEST_AREA // 10**6} million"
            )
        samples = page.asarray()
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        ink = page.photometric == tifffile.PHOTOMETRIC.SEPARATED
        apart = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3
        profile, orientation = page.iccprofile, int(page.tags.valueof(ORIENTATION, default=1))
    samples = np.moveaxis(samples, 0, -1) if apart else samples
    samples = samples.reshape(*samples.shape[:2], -1)
    if inverted:
        samples = samples.max() - samples
    mode = "CMYK" if ink and samples.shape[2] >= 4 else {1: "L", 2: "LA", 3: "RGB"}.get(samples.shape[2], "RGBA")
    return _seen(samples, mode, profile, orientation if orientation in range(1, 9) else 1)
