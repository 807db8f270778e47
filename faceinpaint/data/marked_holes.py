"""The hole of a picture, whatever says where it is: the one rule of restoration, evaluation and the Python API."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass

import cv2
import numpy as np

from faceinpaint.data.growth import Damage, Grow, grow_by, grow_soft, grow_to_damage
from faceinpaint.data.mask_names import find_mask
from faceinpaint.data.mask_pictures import MaskPicture, decode_mask, mask_of
from faceinpaint.data.mask_spec import (
    Alpha,
    Colour,
    Detected,
    MaskFile,
    MaskFolder,
    MaskParquet,
    MaskSpec,
    Proposed,
    mask_of_key,
)
from faceinpaint.data.masks import Freeform, Squares, generated_hole
from faceinpaint.data.user_masks import SOFT, Frame, Polarity, check_hole, user_holes
from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.images import stored, upright

OPAQUE = 128  # pixels below this alpha are hole
COLOUR_TOLERANCE = 16  # levels by which each channel may differ from the marker: JPEG blurs it


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How masks are meant. polarity, frame: of mask pictures; grow: pixels about every hole, or "auto": what the
    damage touches (soft edges, mixed pixels, blocks of a lossy picture); 0: the marked pixels alone."""

    polarity: Polarity | None = None
    frame: Frame = "auto"
    grow: Grow = 0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A picture whose hole is looked for. picture: uint8 RGB (H, W, 3), upright; alpha: uint8 (H, W) or None, upright;
    orientation: how it is stored, EXIF's 1-8; block: (height, width) of stored pixels that are coded together."""

    key: str
    picture: np.ndarray
    alpha: np.ndarray | None = None
    orientation: int = 1
    block: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Hole:
    """pixels: uint8 (H, W), 1 in the hole, upright; grown: how many of them were not marked."""

    pixels: np.ndarray
    grown: int


@dataclass(frozen=True)
class Brought:
    """A mask that somebody brought, not yet decoded unless it serves all pictures; stamp: changes when it does."""

    mask: bytes | MaskPicture
    stamp: str


def mask_stamp(path: str, stamp: str) -> str:
    """What tells a mask file (its path below the folder, and storage's stamp) from any other, and from its old self."""
    return hashlib.sha256(f"{path}\0{stamp}".encode()).hexdigest()[:32]


def mask_row_stamp(key: str, mask: bytes) -> str:
    """:func:`mask_stamp` of a row of Parquet: the same for both Unicode forms of a key, as either finds the row."""
    return mask_stamp(unicodedata.normalize("NFC", key), hashlib.sha256(mask).hexdigest())


def bring_mask(spec: MaskSpec, key: str) -> Brought | None:
    """The mask of a picture, where masks are pictures; None where holes come from elsewhere.

    Raises :class:`InputError` when there is none for it.
    """
    match spec:
        case MaskFile():
            return Brought(spec.mask, spec.stamp)
        case MaskFolder():
            try:
                path, data, stamp = find_mask(spec.uri, key)
            except InputError as error:
                if spec.proposed:
                    raise NoPhotographError(f"nothing proposed, or rejected: {error}") from None
                raise
            return Brought(data, mask_stamp(path, stamp))
        case MaskParquet():
            data = mask_of_key(spec, key)
            return Brought(data, mask_row_stamp(key, data))
    return None


def find_hole(
    spec: MaskSpec, subject: Subject, reading: Reading, model_size: int, brought: Brought | None = None
) -> Hole:
    """The hole that ``spec`` gives a picture, neither empty nor total; ``brought``: its mask, if it is at hand.

    Raises :class:`InputError` with the reason when there is no usable hole.
    """
    height, width = subject.picture.shape[:2]
    match spec:
        case Squares() | Freeform():
            core = check_hole(generated_hole(spec, subject.key, height, width, model_size))
            return _grown(core, core, subject, Reading(grow=0 if reading.grow == "auto" else reading.grow), None)
        case Alpha():
            core, levels = _transparent(subject.alpha)
            soft = grow_soft(levels, core, SOFT) if reading.grow == "auto" else core
            return _grown(core, soft, subject, reading, None)
        case Colour():
            distance = np.abs(subject.picture.astype(np.int16) - np.array(spec.rgb, np.int16)).max(-1)
            core = check_hole((distance <= COLOUR_TOLERANCE).astype(np.uint8), seen=f"marker {spec.name}")
            return _grown(core, core, subject, reading, spec.rgb)
        case Detected():
            raise AssertionError("each picture's hole comes as Proposed")
        case Proposed():
            if not spec.png:
                raise (InputError if spec.failed else NoPhotographError)(spec.reason)
            return _marked(decode_mask(spec.png), subject, Reading(frame="upright", grow=reading.grow))
        case _:
            brought = brought or bring_mask(spec, subject.key)
            assert brought is not None
            mask = brought.mask if isinstance(brought.mask, MaskPicture) else decode_mask(brought.mask)
            return _marked(mask, subject, reading)


def hole_of_mask(mask: object, picture: np.ndarray, reading: Reading) -> Hole:
    """The hole of a mask in memory (:func:`~faceinpaint.data.mask_pictures.mask_of`) on uint8 RGB (H, W, 3)."""
    return _marked(mask_of(mask), Subject(key="", picture=picture), reading)  # type: ignore[arg-type]


def _marked(mask: MaskPicture, subject: Subject, reading: Reading) -> Hole:
    height, width = subject.picture.shape[:2]
    how = {"orientation": subject.orientation, "frame": reading.frame}
    core, in_part = user_holes(mask, reading.polarity, height, width, **how)  # type: ignore[arg-type]
    return _grown(core, in_part() if reading.grow == "auto" else core, subject, reading, None)


def _grown(
    core: np.ndarray, soft: np.ndarray, subject: Subject, reading: Reading, paint: tuple[int, int, int] | None
) -> Hole:
    if reading.grow == "auto":
        damage = Damage(
            picture=np.ascontiguousarray(stored(subject.picture, subject.orientation)),
            paint=paint,
            block=subject.block,
            within=paint is None,
        )
        inside = np.ascontiguousarray(stored(soft, subject.orientation))
        grown = upright(grow_to_damage(inside, damage), subject.orientation)
    else:
        grown = grow_by(soft, reading.grow)
    marked, filled = cv2.countNonZero(core), cv2.countNonZero(grown)
    if filled == grown.size:  # a picture without a valid pixel cannot be restored
        grown, filled = core, marked
    return Hole(grown, filled - marked)


def _transparent(alpha: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The transparent pixels, and how transparent all are."""
    if alpha is None:
        raise InputError("no transparency in the picture to take the hole from")
    return check_hole((alpha < OPAQUE).astype(np.uint8), seen="of transparent pixels"), 255 - alpha
