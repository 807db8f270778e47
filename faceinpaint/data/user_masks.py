"""From a mask picture to the hole of a photograph: polarity, frame, size, soft edges, and a guard against masks that
cannot be meant.

Every refusal is an :class:`InputError` whose message is the reason a ledger shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np

from faceinpaint.data.growth import grow_soft
from faceinpaint.data.mask_pictures import CLEAR, MaskPicture, mask_of
from faceinpaint.errors import InputError
from faceinpaint.images import upright

Polarity = Literal["white-is-hole", "black-is-hole", "auto"]
POLARITIES: tuple[Polarity, ...] = ("white-is-hole", "black-is-hole", "auto")
POLARITY_HELP = "what mask pictures mean (default: white is the hole, and masks that seem inverted are refused)"
Frame = Literal["auto", "stored", "upright"]
FRAMES: tuple[Frame, ...] = ("auto", "stored", "upright")

WHITE = 128  # levels from here up are white
MOST_GREY = 0.2  # a mask with a larger share of other levels is not a mask
AUTO_UNSURE = 0.4  # "auto" takes the smaller part for the hole, unless even that is larger than this
# A larger share of hole is refused; without a stated polarity from half on, if it also runs all around the border.
LIKELY_INVERTED = 0.7
MOST_STATED = 0.9  # with a stated polarity
SIZE_TOLERANCE = 0.01  # a mask may miss the picture's width and height by this share, or by
SIZE_TOLERANCE_PIXELS = 2
SOFT, SOFT_LOSSY = 3, 64  # levels from which a pixel beside the hole is marked in part; a lossy mask rings below
NOISE_AWAY = 8  # pixels from any mark, where a mask shows how dark its black is


def user_hole(
    mask: MaskPicture | np.ndarray,
    polarity: Polarity | None,
    height: int,
    width: int,
    *,
    soft: bool = False,
    **how: Any,
) -> np.ndarray:
    """The hole of :func:`user_holes`, by its arguments; with what is marked in part where ``soft``."""
    hole, in_part = user_holes(mask, polarity, height, width, **how)
    return in_part() if soft else hole


def user_holes(
    mask: MaskPicture | np.ndarray,
    polarity: Polarity | None,
    height: int,
    width: int,
    *,
    orientation: int = 1,
    frame: Frame = "auto",
) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
    """A mask -> hole uint8 (height, width), upright, checked by :func:`check_hole`; and a call for a larger one.

    polarity: None: white is the hole, and less of it is believed than when that is stated.
    height, width: of the upright photograph; orientation: its EXIF tag. ``frame``: whether the mask lies as the
    photograph is stored or as it is shown; "auto" goes by the size, and where both fit takes it as shown. A mask within
    the stated tolerance of the photograph's size is scaled to it, its nearest pixels kept. The larger hole has also the
    pixels that are marked in part and hang together with the hole. Raises :class:`InputError` for other sizes, for
    masks of many greys, and where polarity "auto" cannot tell.
    """
    picture = mask if isinstance(mask, MaskPicture) else mask_of(mask)
    levels = np.ascontiguousarray(_as_shown(picture, height, width, orientation, frame))
    grey = 0 if picture.crisp else cv2.countNonZero(cv2.inRange(levels, CLEAR + 1, 254 - CLEAR)) / levels.size
    if grey > MOST_GREY:
        raise InputError(f"the mask is {grey:.0%} grey ({picture.seen}): it must be black and white")
    if levels.shape != (height, width):
        levels = cv2.resize(levels, (width, height), interpolation=cv2.INTER_NEAREST)
    if not picture.marked and _resolve(levels, polarity) == "black-is-hole":
        levels = 255 - levels
    white = cv2.threshold(levels, WHITE - 1, 1, cv2.THRESH_BINARY)[1]
    hole = check_hole(white, seen=picture.seen)
    if polarity != "auto":
        _check_not_inverted(hole, stated=polarity is not None)
    if picture.crisp:
        return hole, lambda: hole
    return hole, lambda: grow_soft(levels, hole, _softest(levels, picture.lossy))


def _as_shown(mask: MaskPicture, height: int, width: int, orientation: int, frame: Frame) -> np.ndarray:
    """The mask's levels, turned to lie on the upright photograph. Raises :class:`InputError` if no turn fits."""
    as_shown = upright(mask.levels, mask.orientation)
    as_stored = upright(mask.levels, orientation)
    if frame == "stored":
        chosen = as_stored
    elif frame == "upright" or mask.orientation != 1 or _fits(as_shown, height, width):
        chosen = as_shown
    else:
        chosen = as_stored
    if not _fits(chosen, height, width):
        raise InputError(f"the mask is {chosen.shape[1]}x{chosen.shape[0]}, the picture {width}x{height}")
    return chosen


def _softest(levels: np.ndarray, lossy: bool) -> int:
    """The level from which a pixel is marked in part: above what the mask's black is, far from any mark."""
    if lossy:
        return SOFT_LOSSY
    if not cv2.countNonZero(cv2.inRange(levels, 1, WHITE - 1)):
        return SOFT
    distance = cv2.distanceTransform((levels < CLEAR).astype(np.uint8), cv2.DIST_L2, 3)
    away = levels[distance > NOISE_AWAY]
    return max(SOFT, int(np.percentile(away, 99)) + 1) if away.size else SOFT


def check_hole(hole: np.ndarray, seen: str = "") -> np.ndarray:
    """``hole`` uint8 (H, W) itself. Raises :class:`InputError` when it is empty or total.

    seen: what the mask looks like, for the reason.
    """
    ratio = cv2.countNonZero(hole) / hole.size
    what = f" ({seen})" if seen else ""
    if ratio == 0:
        raise InputError(f"empty mask: no pixel is hole{what}")
    if ratio == 1:
        raise InputError(f"total mask: every pixel is hole{what}")
    return hole


def _check_not_inverted(hole: np.ndarray, stated: bool) -> None:
    """Raises :class:`InputError` when so much is hole that the mask may mean the opposite; less if it is ``stated``."""
    ratio = cv2.countNonZero(hole) / hole.size
    around = bool(hole[[0, -1]].all() and hole[:, [0, -1]].all())
    what = f"likely inverted mask: {ratio:.0%} of the picture is hole"
    if stated and ratio > MOST_STATED:
        raise InputError(f"{what}, against the stated polarity's {MOST_STATED:.0%} at most")
    if not stated and (ratio > LIKELY_INVERTED or (ratio > 0.5 and around)):
        raise InputError(f"{what}; if it is meant so, state the mask polarity")


def _resolve(levels: np.ndarray, polarity: Polarity | None) -> Polarity:
    if polarity != "auto":
        return polarity or "white-is-hole"
    white = float(np.mean(levels >= WHITE))
    if min(white, 1 - white) > AUTO_UNSURE:
        raise InputError(f"the mask is {white:.0%} white: too even to tell the hole; state the mask polarity")
    return "white-is-hole" if white < 0.5 else "black-is-hole"


def _fits(levels: np.ndarray, height: int, width: int) -> bool:
    sides = zip(levels.shape, (height, width), strict=True)
    return all(abs(side - wanted) <= max(SIZE_TOLERANCE_PIXELS, SIZE_TOLERANCE * wanted) for side, wanted in sides)
