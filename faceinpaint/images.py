"""Arrays of pictures: everywhere inside the package uint8 RGB (H, W, 3), with masks uint8 (H, W), 1 in the hole."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from faceinpaint.errors import InputError

Crop = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels


def check_rgb(picture: np.ndarray) -> np.ndarray:
    """``picture`` itself. Raises :class:`InputError` unless it is uint8 (H, W, 3) with pixels."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InputError(f"the image is {picture.dtype} {picture.shape}: need 8-bit RGB, (H, W, 3)")
    return picture


def crop_to(picture: np.ndarray, size: int, crop: Crop | None = None, mix: bool = True) -> np.ndarray:
    """Cut ``crop`` (or the centre square) out of uint8 (H, W, 3) or (H, W) and resize it to ``size`` x ``size``.

    ``mix``: False for class numbers, which are taken from the nearest pixel. Raises :class:`InputError` when the crop
    leaves the picture.
    """
    height, width = picture.shape[:2]
    if crop is None:
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        crop = (left, top, left + side, top + side)
    cut = cut_out(picture, crop)
    if cut.shape[:2] == (size, size):
        return np.ascontiguousarray(cut)
    return np.asarray(
        Image.fromarray(cut).resize((size, size), Image.Resampling.LANCZOS if mix else Image.Resampling.NEAREST)
    )


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """left, top, width and height of the box that is not 0 in uint8 (H, W): zeros without one. Rows first, quickly."""
    rows = np.flatnonzero(mask.max(1, initial=0))
    if not len(rows):
        return 0, 0, 0, 0
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].max(0))
    return int(columns[0]), top, int(columns[-1]) + 1 - int(columns[0]), bottom - top


def halved(picture: np.ndarray, least: int) -> np.ndarray:
    """uint8 (H, W, C) averaged over 2 x 2 pixels as often as its longer side keeps ``least`` pixels.

    A last odd row or column is left out. Many times as fast as scaling all pixels by a fraction.
    """
    while max(picture.shape[:2]) >= 2 * least and min(picture.shape[:2]) >= 2:
        height, width = picture.shape[0] // 2, picture.shape[1] // 2
        picture = cv2.resize(picture[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return picture


def cut_out(picture: np.ndarray, crop: Crop | None) -> np.ndarray:
    """``crop`` of uint8 (H, W, ...), or all of it. Raises :class:`InputError` when the crop leaves the picture."""
    if crop is None:
        return picture
    x0, y0, x1, y1 = crop
    if x1 > picture.shape[1] or y1 > picture.shape[0]:
        raise InputError(f"crop {x0},{y0},{x1},{y1} leaves a picture of {picture.shape[1]}x{picture.shape[0]}")
    return picture[y0:y1, x0:x1]


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W, ...), turned as EXIF's ``orientation`` (1-8) says."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[flips(orientation)])


def stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Inverse of :func:`upright`."""
    pixels = pixels[flips(orientation)]
    return pixels.swapaxes(0, 1) if orientation >= 5 else pixels


def flips(orientation: int) -> tuple[slice, slice]:
    """Of rows and columns, for upright pixels."""
    return slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1), slice(
        None, None, -1 if orientation in (2, 3, 6, 7) else 1
    )
