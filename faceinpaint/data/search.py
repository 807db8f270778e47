"""Where the faces of a photograph are, whichever way up it was scanned and however small they are.

The detector knows upright faces of some size. On a scan that lies sideways it finds nothing, or is wrong with some
confidence (0.79 to 0.91 on turned photographs, where the right turn has 0.90 to 0.95). So a picture without a sure face
is looked at in all four turns, and the surest turn counts; holes far from every face are looked at again close by.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from faceinpaint.data.components import Holes
from faceinpaint.data.faces import Face, detect
from faceinpaint.images import halved

SURE = 0.92  # a detection from here on needs no second look
PLAUSIBLE = 0.7  # below, a detection is none
PLAUSIBLE_NEARBY = 0.8  # the same where many small windows are looked at
OTHER_TURN = 0.9  # a face that lies another way than the picture's surest one must be this sure
DETECTION_SIDES = (256, 512)  # pictures are scaled so that their longer side lies between; smaller faces: windows
HALVED = 1024  # pixels that the longer side keeps when larger pictures are halved first
SAME_FACE = 0.5  # two detections closer than this share of their eye-to-mouth distance are one
WINDOW_SIDE = 320  # a window is scaled to this
WINDOW_REACH = 8.0  # side of a window over its hole's
LEAST_WINDOW, MOST_WINDOWS = 160, 24
REACH = 2.5  # a hole this many eye-to-mouth distances from a face's centre is not near it


def find_faces(
    picture: np.ndarray,
    mask: np.ndarray,
    holes: Holes | None = None,
    thin: float = 0.0,
    small: np.ndarray | None = None,
) -> list[Face]:
    """Faces of uint8 RGB (H, W, 3), surest first; ``mask`` uint8 (H, W) is 1 in the hole.

    holes: those of the mask, where they are known already; no small face is looked for at those of a radius up to
    ``thin`` pixels. small: ``halved(picture, HALVED)``, if it is at hand.

    The landmarks say which way up a face lies: :func:`faceinpaint.data.faces.align` turns it.
    """
    found = _as_it_lies(picture, mask, DETECTION_SIDES, PLAUSIBLE, small)
    for x0, y0, x1, y1 in _windows(picture.shape[:2], holes or Holes.of(mask), found, thin):
        near = _as_it_lies(picture[y0:y1, x0:x1], mask[y0:y1, x0:x1], (WINDOW_SIDE, WINDOW_SIDE), PLAUSIBLE_NEARBY)
        found += [Face(face.landmarks + np.array([x0, y0]), face.score) for face in near]
    return _distinct(found)


def _as_it_lies(
    picture: np.ndarray, mask: np.ndarray, sides: tuple[int, int], least: float, small: np.ndarray | None = None
) -> list[Face]:
    """Faces of a picture, turned if need be.

    Looks at a quick fill of its hole, and if that is not sure at the picture as it is: paint or a tear can hide a face
    from the second, and a large fill can wash it out in the first.
    """
    given = halved(picture, HALVED) if small is None else small
    factor, longer = max(picture.shape[:2]) // max(given.shape[:2]), max(given.shape[:2])
    mask = mask[: given.shape[0] * factor, : given.shape[1] * factor]
    scale = min(max(longer, sides[0]), sides[1]) / longer
    height, width = (max(1, round(side * scale)) for side in given.shape[:2])
    small = cv2.resize(given, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    hole = (cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0).astype(np.uint8)
    views = [cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA), small] if hole.any() else [small]
    upright: list[Face] = []
    for view in views:
        if _score(upright) < SURE:
            upright += _turned(view, 0, least)
    turns = [_surest_first(upright)]
    if _score(upright) < SURE:
        turns += [_surest_first(face for view in views for face in _turned(view, turn, least)) for turn in (1, 2, 3)]
        turns.sort(key=lambda faces: -_score(faces))  # stable: upright wins a tie
    found = turns[0] + [face for faces in turns[1:] for face in faces if face.score >= OTHER_TURN]
    return [Face(face.landmarks / [width, height] * mask.shape[1::-1], face.score) for face in _distinct(found)]


def _turned(view: np.ndarray, turn: int, least: float) -> list[Face]:
    """Faces of ``view`` turned ``turn`` times by 90 degrees against the clock, in the coordinates of the unturned."""
    height, width = view.shape[:2]
    back = {
        0: lambda x, y: (x, y),
        1: lambda x, y: (width - 1 - y, x),
        2: lambda x, y: (width - 1 - x, height - 1 - y),
        3: lambda x, y: (y, height - 1 - x),
    }[turn]
    faces = [face for face in detect(np.rot90(view, turn)) if face.score >= least]
    return [Face(np.stack(back(*face.landmarks.T), 1), face.score) for face in faces]


def _surest_first(faces: Iterable[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: -face.score)


def _score(faces: list[Face]) -> float:
    """The surest face's."""
    return max((face.score for face in faces), default=0.0)


def _distinct(faces: Iterable[Face]) -> list[Face]:
    """The surest detection of each face, surest first."""
    kept: list[Face] = []
    for face in _surest_first(faces):
        if all(np.linalg.norm(face.centre - other.centre) > SAME_FACE * other.height for other in kept):
            kept.append(face)
    return kept


def _windows(shape: tuple[int, ...], holes: Holes, faces: list[Face], thin: float) -> list[tuple[int, int, int, int]]:
    """Boxes (x0, y0, x1, y1) about holes that are far from all ``faces`` and small in the picture, largest hole first.

    Holes that share a window are looked at once, so that their number does not count.
    """
    height, width = shape
    chosen: dict[tuple[int, int, int], tuple[int, int, int, int]] = {}
    sizes = (holes.boxes[:, 2:] - holes.boxes[:, :2]).max(1, initial=0) * (holes.radius > thin)
    for i in np.argsort(-sizes, kind="stable"):
        if sizes[i] == 0 or len(chosen) == MOST_WINDOWS:
            break
        side = max(LEAST_WINDOW, int(2 ** np.ceil(np.log2(WINDOW_REACH * sizes[i]))))
        near = any(np.linalg.norm(holes.centre[i] - face.centre) < REACH * face.height for face in faces)
        if near or side > max(height, width) / 2:  # the look at the whole picture saw as much
            continue
        row, column = (round(float(v) / (side / 4)) for v in holes.centre[i][::-1])
        y, x = row * side // 4, column * side // 4
        box = (max(0, x - side // 2), max(0, y - side // 2), min(width, x + side // 2), min(height, y + side // 2))
        chosen.setdefault((side, row, column), box)
    return list(chosen.values())
