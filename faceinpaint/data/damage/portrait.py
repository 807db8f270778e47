"""Ten kinds of damage on one portrait, the same each time: what the demo restores."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from faceinpaint.data.damage.draw import Layer
from faceinpaint.data.damage.kinds import dust, scratch, stain, tear
from faceinpaint.data.damage.paint import TRACE, laid_over
from faceinpaint.data.faces import Face

MARKER = (255, 0, 255)  # of the damage that is marked by its colour alone
MARKED = "marker"
ON_FACE = 0.02  # share of the face's square that drawn damage must cover at least: on the wall nobody sees it
MOST = 0.4  # and at most

Case = tuple[np.ndarray, np.ndarray]  # damaged uint8 (S, S, 3), hole uint8 (S, S)


def ten_cases(portrait: np.ndarray, face: Face) -> dict[str, Case]:
    """Name of the damage -> the damaged portrait, and its hole (1 in it).

    portrait: square, uint8 RGB (S, S, 3). Scratches, dust, tear and stain are drawn as for the detector's training,
    eye, nose, mouth, half of the face and a corner are gone (white), and "marker" is painted over in MARKER.
    """
    side, centre, height = portrait.shape[0], face.centre, face.height
    eye, nose, mouth = face.landmarks[0], face.landmarks[2], face.landmarks[3:].mean(0)
    holes = {
        "eye": box_hole(portrait.shape, eye, 0.7 * height, 0.6 * height),
        "nose": box_hole(portrait.shape, nose, 0.6 * height, 0.6 * height),
        "mouth": box_hole(portrait.shape, mouth, height, 0.6 * height),
        "half-the-face": box_hole(portrait.shape, centre + np.array([0.5 * height, 0]), height, 2 * height),
        "missing-corner": _corner(side, centre, height),
    }
    cases = {
        "scratches": _drawn(portrait, face, scratch, pieces=8),
        "dust": _drawn(portrait, face, dust, pieces=3),
        "tear": _drawn(portrait, face, tear, pieces=1),
        "stain": _drawn(portrait, face, stain, pieces=2),
    }
    cases |= {name: (_painted(portrait, hole, (255, 255, 255)), hole) for name, hole in holes.items()}
    strokes = _strokes(side, centre, height)
    return cases | {MARKED: (_painted(portrait, strokes, MARKER), strokes)}


def close_up(face: Face, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The face's square in a picture (H, W), as far as the picture goes: left, top, right, bottom."""
    left, top = (max(0, int(each)) for each in face.centre - 1.3 * face.height)
    right, bottom = (int(each) for each in face.centre + 1.3 * face.height)
    return left, top, min(shape[1], right), min(shape[0], bottom)


def box_hole(shape: tuple[int, ...], centre: np.ndarray, width: float, height: float) -> np.ndarray:
    """uint8 (H, W), 1 in a box about ``centre`` (x, y), pixels."""
    hole = np.zeros(shape[:2], np.uint8)
    x, y = centre
    rows, columns = (slice(max(0, round(c - s / 2)), max(0, round(c + s / 2))) for c, s in ((y, height), (x, width)))
    hole[rows, columns] = 1
    return hole


def _drawn(portrait: np.ndarray, face: Face, kind: Callable[..., list[Layer]], pieces: int) -> Case:
    """The first seeded drawing of a kind that lies on the face, neither missing nor hiding it."""
    side = portrait.shape[0]
    left, top, right, bottom = close_up(face, portrait.shape)
    for seed in range(1000):
        random = np.random.default_rng(seed)
        layers = [layer for _ in range(pieces) for layer in kind(random, side)]
        picture, coverage = laid_over(portrait.astype(np.float32), layers)
        damaged = np.rint(picture.clip(0, 255)).astype(np.uint8)
        hole = ((coverage > TRACE) | (damaged != portrait).any(-1)).astype(np.uint8)
        if ON_FACE <= hole[top:bottom, left:right].mean() <= MOST:
            return damaged, hole
    raise AssertionError(f"no drawing of {kind.__name__} lies on the face")


def _painted(portrait: np.ndarray, hole: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.where(hole[..., None] > 0, np.array(colour, np.uint8), portrait)


def _corner(side: int, centre: np.ndarray, height: float) -> np.ndarray:
    """The corner on the far side of the face, up to its cheek."""
    x, y = centre
    points = np.array([[0, 0], [x + 0.2 * height, 0], [x - 0.5 * height, y - 0.2 * height], [0, y + 1.5 * height]])
    return cv2.fillPoly(np.zeros((side, side), np.uint8), [np.round(points).astype(np.int32)], 1)


def _strokes(side: int, centre: np.ndarray, height: float) -> np.ndarray:
    """A scribble across the face, as with a felt pen."""
    turns = [(-1.1, -0.5), (0.9, -0.9), (-0.8, 0.1), (1.1, 0.3), (-0.6, 0.9), (0.7, 1.2)]
    points = np.round(centre + height * np.array(turns)).astype(np.int32)
    return cv2.polylines(np.zeros((side, side), np.uint8), [points], False, 1, max(2, round(height / 8)))
