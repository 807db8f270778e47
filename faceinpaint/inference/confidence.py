"""A second opinion on a restored picture: how far its result may be trusted without a look, from 0 to 1."""

from __future__ import annotations

import numpy as np

from faceinpaint.data.faces import ALIGNMENTS, Alignment, detect_in_crop
from faceinpaint.data.routing import Patch
from faceinpaint.inference.compose import Plan
from faceinpaint.inference.own_error import face_of

THIN = 0.95  # holes filled from their edges
# What is measured -> the confidence it leaves; between the points it is interpolated.
SCORE = ([0.70, 0.80, 0.88, 0.92], [0.05, 0.2, 0.5, 1.0])  # of the detector, before: false faces have 0.79 to 0.91
AFTER = ([0.60, 0.80, 0.90], [0.2, 0.6, 1.0])  # of the detector, on the painted face
ASTRAY = ([0.12, 0.35], [1.0, 0.2])  # landmarks of the painted face from their place, eye-to-mouth distances
HIDDEN = ([0.2, 0.5, 0.8], [1.0, 0.5, 0.1])  # share of the face that is hole
SEEN = ([0.0, 2.0, 4.0], [0.3, 0.8, 1.0])  # landmarks outside the hole
ERROR = ([0.45, 0.7], [1.0, 0.2])  # the model's own, on what it was shown
ELSEWHERE = ([0.0, 0.02, 0.3], [0.6, 0.4, 0.1])  # share of the picture in wide holes without a face
BEYOND = 0.6  # part of a hole outside its face's crop


def confidence(
    plan: Plan, painted: np.ndarray | None, pixels: int, alignment: Alignment, errors: np.ndarray | None = None
) -> float:
    """The least of the confidences of the picture's holes.

    painted: what the model made of ``plan.crops``, uint8 (P, S, S, 3); pixels: of the picture; errors: the model's own
    on the valid pixels of each crop, (P,), NaN where it is not known.
    """
    found = [1.0]
    if len(plan.routes.thin_y):
        found.append(THIN)
    apart = [patch for patch in plan.patches if patch.kind == "none"] + plan.fills
    if apart:
        found.append(_between(sum(int(patch.hole.sum()) for patch in apart) / pixels, ELSEWHERE))
    for i, patch in enumerate(plan.patches):
        if patch.kind == "beyond":
            found.append(BEYOND * _between(patch.score, SCORE))
        elif patch.kind != "none":
            assert plan.holes is not None
            assert painted is not None
            error = float("nan") if errors is None else float(errors[i])
            found.append(face_confidence(patch, plan.holes[i], painted[i], alignment, error))
    return round(min(found), 3)


def face_confidence(
    patch: Patch, hole: np.ndarray, painted: np.ndarray, alignment: Alignment, error: float = float("nan")
) -> float:
    """Of one painted face: uint8 (S, S, 3) and its hole uint8 (S, S).

    The product of what the detector said before, what it says about the painted face, how much of the face was hidden,
    how many of its five landmarks were seen, and the model's own ``error`` on what it was shown, NaN where unknown.
    """
    marks = ALIGNMENTS[alignment] * len(hole)
    height = float(np.linalg.norm(marks[:2].mean(0) - marks[3:].mean(0)))
    face = face_of(len(hole), alignment)
    hidden = float(hole[face > 0].mean())
    places = np.clip(np.rint(marks).astype(int), 0, len(hole) - 1)
    seen = int((hole[places[:, 1], places[:, 0]] == 0).sum())
    before = _between(patch.score, SCORE) if patch.score else 1.0  # nobody looked: an aligned picture
    own = 1.0 if np.isnan(error) else _between(error, ERROR)
    return before * _between(hidden, HIDDEN) * _between(seen, SEEN) * _looks_right(painted, marks, height) * own


def _looks_right(painted: np.ndarray, marks: np.ndarray, height: float) -> float:
    """Whether the detector finds the painted face, and its landmarks where they should be."""
    best = 0.0
    for face in detect_in_crop(painted):
        offset = np.linalg.norm(face.landmarks - marks, axis=1).mean() / height
        best = max(best, _between(face.score, AFTER) * _between(float(offset), ASTRAY))
    return max(best, AFTER[1][0] * ASTRAY[1][1])


def _between(value: float, points: tuple[list[float], list[float]]) -> float:
    return float(np.interp(value, *points))
