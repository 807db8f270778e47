"""The step at a restored hole's edge."""

from __future__ import annotations

import cv2
import numpy as np

from faceinpaint.data.components import pixels_of


def seam_error(picture: np.ndarray, hole: np.ndarray) -> float:
    """Mean absolute step between neighbours on either side of the hole's edge, in levels of 255; 0 without an edge.

    picture uint8 (H, W, 3), hole uint8 (H, W).
    """
    inner = cv2.erode(hole, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))  # the picture's border is no edge
    y, x = pixels_of(hole - inner)
    steps = []
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        row, column = y + dy, x + dx
        edge = np.flatnonzero((row >= 0) & (row < hole.shape[0]) & (column >= 0) & (column < hole.shape[1]))
        edge = edge[hole[row[edge], column[edge]] == 0]
        there, here = picture[row[edge], column[edge]].astype(np.int16), picture[y[edge], x[edge]]
        steps.append(np.abs(there - here).mean(-1))
    joined = np.concatenate(steps)
    return float(joined.mean()) if joined.size else 0.0
