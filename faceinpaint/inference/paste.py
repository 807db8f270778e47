"""Patches that a model painted, put back into their picture."""

from __future__ import annotations

import cv2
import numpy as np

from faceinpaint.data.routing import Patch
from faceinpaint.inference.harmonic import harmonic

MARGIN = 16  # px of the picture around a hole that say what its edge must meet


def paste(picture: np.ndarray, painted: np.ndarray, patch: Patch, damage: np.ndarray, match: bool = True) -> None:
    """Replace ``patch.hole`` in ``picture`` uint8 (H, W, 3) by ``painted`` uint8 (S, S, 3), in place.

    ``match``: what the painted patch is off by on the valid pixels at the hole's edge is interpolated into the hole
    harmonically and added, so that no seam shows (Perez 2003); deep inside little of it is left. ``damage``: uint8
    (H, W), 1 where the picture is not valid: this hole, and those of other patches that are not pasted yet.
    """
    x0, y0, x1, y1 = patch.box
    target = picture[y0:y1, x0:x1]
    if picture.shape == painted.shape and np.array_equal(patch.matrix, np.eye(2, 3)):
        target[patch.hole > 0] = painted[y0:y1, x0:x1][patch.hole > 0]
        return
    top, left = max(0, y0 - MARGIN), max(0, x0 - MARGIN)
    area = (slice(top, y1 + MARGIN), slice(left, x1 + MARGIN))
    seen = picture[area].astype(np.float32)
    shifted = patch.matrix.copy()
    shifted[:, 2] += patch.matrix[:, :2] @ [left, top]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP  # the matrix goes from picture to patch already
    border = cv2.BORDER_REPLICATE
    warped = cv2.warpAffine(painted, shifted, seen.shape[1::-1], flags=flags, borderMode=border).astype(np.float32)
    if match:
        warped += harmonic(seen - warped, damage[area] == 0)
    inside = warped[y0 - top : y1 - top, x0 - left : x1 - left]
    target[patch.hole > 0] = np.clip(np.rint(inside), 0, 255).astype(np.uint8)[patch.hole > 0]
