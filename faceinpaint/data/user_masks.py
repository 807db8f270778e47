"""Mask pictures that people bring: decoding, polarity, and a guard against masks that cannot be meant.

Every refusal is an :class:`InputError` whose message is the reason a ledger shows.
"""

from __future__ import annotations

import io
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from faceinpaint.errors import InputError

Polarity = Literal["white-is-hole", "black-is-hole", "auto"]
POLARITIES: tuple[Polarity, ...] = ("white-is-hole", "black-is-hole", "auto")

WHITE = 128  # levels from here up are white
CLEAR = 32  # levels within this of 0 or 255 are clearly black or white
MOST_GREY = 0.2  # a mask with a larger share of other levels is no mask
AUTO_UNSURE = 0.4  # "auto" takes the smaller part for the hole, unless even that is larger than this
LIKELY_INVERTED = 0.7  # a larger share of hole is refused; from half on, if it also runs all around the border
SIZE_TOLERANCE = 0.01  # a mask may miss the picture's width and height by this share, or by
SIZE_TOLERANCE_PIXELS = 2


def decode_mask(data: bytes) -> np.ndarray:
    """Encoded bytes of any mode -> levels uint8 (H, W), upright; 16 bit is scaled, transparency counts as black.

    Raises :class:`InputError`.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I") or upright.mode == "F":
                return _levels(np.asarray(upright, np.float64))
            rgba = np.asarray(upright.convert("RGBA"))
    except UnidentifiedImageError:  # its message holds a memory address
        raise InputError("the mask is not a picture of a known format") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"the mask is not a readable picture: {error}") from None
    grey = np.asarray(Image.fromarray(rgba[..., :3]).convert("L"), np.uint16)
    return ((grey * rgba[..., 3] + 127) // 255).astype(np.uint8)


def user_hole(levels: np.ndarray, polarity: Polarity, height: int, width: int) -> np.ndarray:
    """Mask levels uint8 -> hole uint8 (height, width), checked by :func:`check_hole`.

    A mask within the stated tolerance of the picture's size is scaled to it, its nearest pixels kept. Raises
    :class:`InputError` for other sizes, for masks of many greys, and where "auto" cannot tell.
    """
    grey = float(np.mean((levels > CLEAR) & (levels < 255 - CLEAR)))
    if grey > MOST_GREY:
        raise InputError(f"the mask is {grey:.0%} grey: it must be black and white")
    if levels.shape != (height, width):
        _check_size(levels, height, width)
        levels = cv2.resize(levels, (width, height), interpolation=cv2.INTER_NEAREST)
    hole = (levels >= WHITE) == (_resolve(levels, polarity) == "white-is-hole")
    return check_hole(hole.astype(np.uint8), may_be_inverted=polarity != "auto")


def check_hole(hole: np.ndarray, may_be_inverted: bool = False) -> np.ndarray:
    """``hole`` uint8 (H, W) itself. Raises :class:`InputError` when it is empty, total or likely inverted."""
    ratio = float(hole.mean())
    if ratio == 0:
        raise InputError("empty mask: no pixel is hole")
    if ratio == 1:
        raise InputError("total mask: every pixel is hole")
    around = bool(hole[[0, -1]].all() and hole[:, [0, -1]].all())
    if may_be_inverted and (ratio > LIKELY_INVERTED or (ratio > 0.5 and around)):
        raise InputError(f"likely inverted mask: {ratio:.0%} of the picture is hole; see --mask-polarity")
    return hole


def _resolve(levels: np.ndarray, polarity: Polarity) -> Polarity:
    if polarity != "auto":
        return polarity
    white = float(np.mean(levels >= WHITE))
    if min(white, 1 - white) > AUTO_UNSURE:
        raise InputError(f"the mask is {white:.0%} white: too even to tell the hole; see --mask-polarity")
    return "white-is-hole" if white < 0.5 else "black-is-hole"


def _check_size(levels: np.ndarray, height: int, width: int) -> None:
    for side, wanted in zip(levels.shape, (height, width), strict=True):
        if abs(side - wanted) > max(SIZE_TOLERANCE_PIXELS, SIZE_TOLERANCE * wanted):
            raise InputError(f"the mask is {levels.shape[1]}x{levels.shape[0]}, the picture {width}x{height}")


def _levels(wide: np.ndarray) -> np.ndarray:
    """16-bit, 32-bit or float grey -> uint8: 0-65535 if anything exceeds 255, 0-1 for floats of that range."""
    most = 65535 if wide.max() > 255 else 255 if wide.max() > 1 else 1
    return np.clip(np.rint(wide * (255 / most)), 0, 255).astype(np.uint8)
