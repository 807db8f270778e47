"""Opening and decoding with Pillow, whose errors are many."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from faceinpaint.errors import InputError, NoPhotographError

ORIENTATION = 0x0112  # EXIF tag
EXIF_START = b"Exif\0\0"
DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    ZeroDivisionError,
)


def opened(data: bytes) -> Image.Image:
    """A picture, not decoded. Raises :class:`NoPhotographError` for what is none, :class:`InputError` for damage."""
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of what does not matter here
            return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise NoPhotographError("not a picture of a known format and kind") from None
    except Image.DecompressionBombError as error:
        raise NoPhotographError(str(error)) from None
    except DAMAGE as error:
        raise InputError(f"not a readable picture: {error}") from None


def check_runs_nothing(file: Image.Image) -> None:
    """Raises :class:`InputError` for a format whose files are programs, which Pillow has Ghostscript run."""
    if file.format == "EPS":
        raise InputError("EPS is a program that draws a picture, and is not run: convert it to PNG first")


def load(file: Image.Image) -> np.ndarray:
    """Samples (H, W, C) of a picture of whole bytes. Raises :class:`InputError`."""
    try:
        file.load()
    except DAMAGE as error:
        raise InputError(f"not a readable picture: {error}") from None
    return as_array(file)


def as_array(image: Image.Image) -> np.ndarray:
    """Samples (H, W, C)."""
    samples = np.asarray(image)
    return samples.reshape(*samples.shape[:2], -1)


def as_image(samples: np.ndarray, mode: str) -> Image.Image:
    """Inverse of :func:`as_array`, for uint8."""
    height, width = samples.shape[:2]
    return Image.frombuffer(mode, (width, height), np.ascontiguousarray(samples), "raw", mode, 0, 1)


def kept_mode(file: Image.Image) -> Image.Image:
    """A loaded picture as grey, RGB or CMYK of 8 bits, with alpha where it was transparent.

    Palettes become RGB and single bits grey, which changes no colour. Raises :class:`NoPhotographError`.
    """
    simple = {"1": "L", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}
    mode = file.mode
    if mode == "P":
        return file.convert("RGBA" if "transparency" in file.info else "RGB")
    if mode in ("L", "RGB") and "transparency" in file.info:
        return file.convert("LA" if mode == "L" else "RGBA")
    if mode in simple:
        return file.convert(simple[mode])
    if mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise NoPhotographError(f"pictures of mode {mode} are not restored: convert it to RGB first")
    return file


def exif_of(file: Image.Image) -> tuple[bytes | None, int]:
    """The EXIF block of a picture without decoding it, from its TIFF header on, and its orientation, 1-8."""
    block = file.info.get("exif")
    return (block.removeprefix(EXIF_START), orientation_of(block)) if block else (None, 1)


def orientation_of(block: bytes | None) -> int:
    """EXIF's orientation, 1-8; 1 where it is missing or makes no sense."""
    if not block:
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        found = exif.get(ORIENTATION, 1)
    except DAMAGE:
        return 1
    return found if found in range(1, 9) else 1
