"""The model's own error: how well its first stage draws again what it was shown of a face.

A face where the model expects one comes back with its features in their places; anything else (a crop that is turned,
moved or of another size, or no face at all) comes back as some face. Light and colours say little about that, so only
features of a sixty-fourth to a sixteenth of the picture's side are compared.
"""

from __future__ import annotations

import cv2
import numpy as np

from faceinpaint.data.faces import ALIGNMENTS, Alignment

FINE, COARSE = 1 / 64, 1 / 16  # of the side: standard deviations of the blurs whose difference is looked at
LEAST_SEEN = 0.1  # of the face; of less nothing can be told
FACE = (1.05, 1.35)  # half axes of the face's ellipse, distances from the eyes to the mouth


def own_error(drawn: np.ndarray, shown: np.ndarray, hole: np.ndarray, alignment: Alignment) -> float:
    """One minus the correlation of features over the face's valid pixels: 0 (alike) to 2; NaN if too few are valid.

    drawn, shown: the first stage's picture and what it was shown, float (S, S, 3) in [-1, 1]; hole: float (S, S), the
    hole's share of a pixel; alignment: where the face is in them.
    """
    valid = hole < 0.5
    face = face_of(len(hole), alignment) > 0
    asked = valid & face
    if asked.sum() < LEAST_SEEN * face.sum():
        return float("nan")
    drawn, shown = (picture.astype(np.float32).clip(-1, 1).mean(-1) for picture in (drawn, shown))
    ours, theirs = (_features(picture)[asked] for picture in (drawn, np.where(valid, shown, drawn)))
    spread = float(ours.std() * theirs.std())
    if spread < 1e-9:  # nothing to see in one of them
        return 1.0
    return 1 - float(np.mean((ours - ours.mean()) * (theirs - theirs.mean()))) / spread


def face_of(side: int, alignment: Alignment) -> np.ndarray:
    """The face in an aligned picture: uint8 (side, side), 1 inside."""
    marks = ALIGNMENTS[alignment] * side
    height = float(np.linalg.norm(marks[:2].mean(0) - marks[3:].mean(0)))
    face = np.zeros((side, side), np.uint8)
    axes = tuple(2 * axis * height for axis in FACE)
    cv2.ellipse(face, (tuple(map(float, marks.mean(0))), axes, 0), 1, -1)
    return face


def _features(picture: np.ndarray) -> np.ndarray:
    """float32 (S, S): what a picture has between the two blurs."""
    blurred = [cv2.GaussianBlur(picture, (0, 0), sigma * len(picture)) for sigma in (FINE, COARSE)]
    return blurred[0] - blurred[1]
