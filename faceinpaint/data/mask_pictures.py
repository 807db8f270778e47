"""Mask pictures that people bring, read as a person would: which pixels are marked, and how much.

Grey, palette, 16 bits, 0 and 1, one colour on black or on white, one colour on nothing: all become levels. What cannot
be told is refused with what was seen. The one reading for bulk restoration, evaluation and the Python API.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image, ImageChops, UnidentifiedImageError

from faceinpaint.errors import InputError
from faceinpaint.photos.opening import check_runs_nothing

LOSSY = ("JPEG", "MPO", "WEBP", "AVIF")
LOSSY_OF_SEVERAL = ("JPEG", "MPO")  # cameras put previews and depth behind the picture
ORIENTATION = 0x0112  # EXIF tag
OPAQUE = 128  # alpha from here up shows
COLOURFUL = 96  # levels between a pixel's channels that make it a colour
GREYISH = 48  # and below which it is a grey
ONE_COLOUR = 0.35  # that hues (0 to 1 in each channel) may differ and be one
DARK, LIGHT = 96, 160  # of the ground that colours stand on
FLAT = 48  # levels that the paint on transparency may vary
MOST = 0.5  # of what a photograph shows is neither black nor white
PLAIN = 0.2  # and no more of it is of one colour
CLEAR = 32  # levels within this of 0 or 255 are clearly black or white
FEW = 1e-5  # share of pixels that is no colour yet


@dataclass(frozen=True, kw_only=True)
class MaskPicture:
    """levels: uint8 (H, W), as stored, 255 is white, or marked; orientation: EXIF's of the mask itself, 1-8; lossy:
    whether its coding blurs; marked: the levels say what was marked, and polarity has no say; crisp: no level but 0 and
    255 occurs, as far as it is known; seen: in words."""

    levels: np.ndarray
    orientation: int = 1
    lossy: bool = False
    marked: bool = False
    crisp: bool = False
    seen: str = ""


def decode_mask(data: bytes) -> MaskPicture:
    """Encoded bytes of any format and mode. Raises :class:`InputError` with what was seen."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            check_runs_nothing(image)
            _check_alone(image)
            # Before its pixels are loaded: a decoder may turn them, and drop the tag.
            return _of_image(image)
    except InputError:
        raise
    except UnidentifiedImageError:  # its message holds a memory address
        raise InputError("the mask is not a picture of a known format") from None
    except Exception as error:  # hostile files make decoders raise anything
        raise InputError(f"the mask is not a readable picture: {error}") from None


def _check_alone(image: Image.Image) -> None:
    """Raises :class:`InputError` for a file of several pictures: which one is meant, or for which page, nobody says.

    Smaller pictures in a TIFF are its previews; in a JPEG others are not asked for.
    """
    count = getattr(image, "n_frames", 1)
    if count == 1 or image.format in LOSSY_OF_SEVERAL:
        return
    first, whole = image.size, count
    if image.format == "TIFF":
        whole = 1
        for number in range(1, count):
            image.seek(number)
            whole += image.size == first
        image.seek(0)
    if whole > 1:
        raise InputError(f"the mask file holds {whole} pictures: save the one that is meant by itself")


def mask_of(mask: Image.Image | np.ndarray) -> MaskPicture:
    """A mask of the Python API: PIL of any mode, or bool, integers or floats (H, W) or (H, W, 1, 3 or 4).

    It lies as its picture in memory does, whose tag of orientation turns nothing either. Raises :class:`InputError` for
    other shapes.
    """
    if isinstance(mask, Image.Image):
        return replace(_of_image(mask), orientation=1)
    array = np.asarray(mask)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        return _of_grey(array)
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8:
        return _of_image(Image.fromarray(array))
    raise InputError(f"the mask is {array.dtype} {array.shape}: give (H, W), or 8-bit (H, W, 3 or 4)")


def _of_image(image: Image.Image) -> MaskPicture:
    orientation = _orientation(image)
    lossy = image.format in LOSSY
    grey = _grey_alone(image)
    found = _of_grey(np.asarray(grey)) if grey is not None else _of_colours(np.asarray(image.convert("RGBA")))
    if found.levels.shape != (image.height, image.width):  # the decoder has turned it
        orientation = 1
    return replace(found, orientation=orientation, lossy=lossy)


def _grey_alone(image: Image.Image) -> Image.Image | None:
    """The picture as greys, where it has no colour and nothing transparent: found out without widening it to RGBA."""
    if image.mode.startswith("I") or image.mode == "F":
        return image
    if "transparency" in image.info:
        return None
    if image.mode == "P" and _says_nothing(image):  # the numbers themselves are the mask
        return Image.fromarray(np.asarray(image))
    if image.mode in ("1", "L"):
        return image.convert("L")
    bands = image.split() if image.mode in ("RGB", "RGBA", "LA") else ()
    if image.mode.endswith("A") and bands and bands[-1].getextrema() != (255, 255):
        return None
    colours = bands[:3] if image.mode.startswith("RGB") else bands[:1]
    alike = colours and all(ImageChops.difference(colours[0], other).getbbox() is None for other in colours[1:])
    return colours[0] if alike else None


def _says_nothing(image: Image.Image) -> bool:
    """Whether a palette has one colour for all of several numbers: it was made for a picture that has no colours."""
    used = np.unique(np.asarray(image))
    palette = np.zeros((256, 3), int)
    given = image.getpalette("RGB") or []
    palette.ravel()[: len(given)] = given
    return len(used) > 1 and len(np.unique(palette[used], axis=0)) == 1


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # turned as it is decoded
        return 1
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # EXIF of any kind of damage
        return 1
    return value if value in range(1, 9) else 1


def _of_grey(array: np.ndarray) -> MaskPicture:
    levels = array if array.dtype == np.uint8 else _scaled(array.astype(np.float64))
    return _stretched(levels)


def _scaled(wide: np.ndarray) -> np.ndarray:
    """Any numbers -> uint8: 0-65535 if anything exceeds 255, 0-1 where nothing exceeds 1."""
    most = 65535 if wide.max(initial=0) > 255 else 255 if wide.max(initial=0) > 1 else 1
    return np.clip(np.rint(np.nan_to_num(wide) * (255 / most)), 0, 255).astype(np.uint8)


def _stretched(levels: np.ndarray) -> MaskPicture:
    """Two levels, one of them 0, are black and white whatever the other is."""
    found = _levels_of(levels)
    if len(found) == 2 and found[0] == 0 and found[1] != 255:
        levels = np.where(levels > 0, np.uint8(255), np.uint8(0))
        crisp = True
    else:
        crisp = bool(np.isin(found, (0, 255)).all())
    low, high = (int(found[0]), int(found[-1])) if len(found) else (0, 0)
    return MaskPicture(levels=levels, crisp=crisp, seen=f"levels {low} to {high}, {len(found)} different ones")


def _levels_of(levels: np.ndarray) -> np.ndarray:
    """The levels that occur in uint8 (H, W), rising. Most masks are black and white, and need no histogram."""
    if not levels.size:
        return np.empty(0, int)
    levels = np.ascontiguousarray(levels)
    if cv2.countNonZero(cv2.inRange(levels, 1, 254)):
        return np.flatnonzero(cv2.calcHist([levels], [0], None, [256], [0, 256]))
    white = cv2.countNonZero(levels)
    return np.array([level for level, count in ((0, levels.size - white), (255, white)) if count])


def _of_colours(rgba: np.ndarray) -> MaskPicture:
    rgb, alpha = rgba[..., :3], rgba[..., 3]
    shown = alpha >= OPAQUE
    if not shown.all():
        if not shown.any():
            raise InputError("the mask is transparent all over: nothing is marked")
        paint = rgb[shown]
        if np.subtract(*np.percentile(paint, [99, 1], axis=0)).max() <= FLAT:
            return MaskPicture(levels=alpha.copy(), seen="one colour on transparency")
        if _is_photograph(paint):
            return MaskPicture(levels=255 - alpha, marked=True, seen="a photograph with parts erased")
        rgb = ((rgb.astype(np.uint16) * alpha[..., None] + 127) // 255).astype(np.uint8)  # clear is black
    chroma = np.ptp(rgb, axis=2)
    coloured = chroma > COLOURFUL
    if coloured.mean() <= FEW:
        return _stretched(np.asarray(Image.fromarray(rgb).convert("L")))
    return _of_one_colour(rgb, chroma, coloured)


def _is_photograph(paint: np.ndarray) -> bool:
    """Whether colours uint8 (N, 3) are a photograph's, not those of strokes: few are black or white, none rules."""
    middle = paint.mean(1)
    between = np.mean((middle > CLEAR) & (middle < 255 - CLEAR))
    if between < MOST:
        return False
    codes = (paint >> 3).astype(np.int32) @ np.array([1024, 32, 1], np.int32)  # alike where they differ by noise
    return bool(np.bincount(codes).max() <= PLAIN * len(codes))


def _of_one_colour(rgb: np.ndarray, chroma: np.ndarray, coloured: np.ndarray) -> MaskPicture:
    paint = rgb[coloured].astype(np.float32)
    hues = (paint - paint.min(1, keepdims=True)) / np.maximum(np.ptp(paint, axis=1), 1)[:, None]
    off = np.abs(hues - np.median(hues, axis=0)).max(1)
    if np.mean(off > ONE_COLOUR) > 0.05:
        one = off.argmin()  # the median of several colours may be none of them
        two = np.abs(hues - hues[one]).max(1).argmax()
        raise InputError(
            f"the mask has several colours, such as {_name(paint[one])} and {_name(paint[two])}: mark holes in one, "
            "on black"
        )
    colour = _name(np.median(paint, axis=0))
    ground = rgb[chroma < GREYISH]
    middle = float(np.median(ground)) if len(ground) else 0.0
    if middle <= DARK:
        strength = rgb.max(2).astype(np.float32)
        return MaskPicture(levels=_share(strength, strength[coloured]), seen=f"{colour} on black")
    if middle >= LIGHT:
        strength = chroma.astype(np.float32)
        return MaskPicture(levels=_share(strength, strength[coloured]), marked=True, seen=f"{colour} on white")
    raise InputError(f"the mask has marks of {colour} on grey ({middle:.0f} of 255): put them on black or white")


def _name(colour: np.ndarray) -> str:
    """#RRGGBB of R, G, B."""
    return "#" + "".join(f"{round(float(level)):02X}" for level in colour)


def _share(strength: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """How much of the mark's full strength, as uint8."""
    return np.clip(np.rint(strength * (255 / np.median(marks))), 0, 255).astype(np.uint8)
