"""Thin holes are filled from their edges: the biharmonic equation, solved for all of them at once.

Its cost is that of the holes' pixels; the picture's size and the number of holes do not count.
"""

from __future__ import annotations

import numpy as np

# The bilaplacian: dy, dx, weight.
STENCIL = np.array(
    [(0, 0, 20)]
    + [(dy, dx, -8) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    + [(dy, dx, 2) for dy, dx in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    + [(dy, dx, 1) for dy, dx in ((0, 2), (2, 0), (0, -2), (-2, 0))]
)


def from_edges(picture: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The fill (P, C), from 0 to 255, of the pixels (y, x), (P,) each and row by row, of uint8 (H, W, C).

    All other pixels count as valid. The fill f has no bilaplacian, so that colours and their slopes go on from the
    edges (Damelin and Hoang 2018): for each hole pixel p, sum over the stencil k of w_k f(p + o_k) = 0, mirrored at
    the picture's border.
    """
    if not len(y):
        return np.empty((0, picture.shape[2]))
    from scipy import sparse  # most pictures need none of it, and a single one would wait for its import
    from scipy.sparse.linalg import splu

    height, width = picture.shape[:2]
    own = y.astype(np.int64) * width + x
    rows = _mirrored(y[:, None] + STENCIL[:, 0], height)
    columns = _mirrored(x[:, None] + STENCIL[:, 1], width)
    places = rows * width + columns  # P, 13
    weights = np.broadcast_to(STENCIL[:, 2].astype(np.float64), places.shape)
    found = np.minimum(np.searchsorted(own, places), len(own) - 1)
    unknown = own[found] == places
    pixel = np.broadcast_to(np.arange(len(own))[:, None], places.shape)
    system = sparse.csc_matrix(
        (weights[unknown], (pixel[unknown], found[unknown])), shape=(len(own), len(own))
    )  # entries of one place add up
    values = picture[rows, columns].astype(np.float64)
    right = -np.einsum("pkc,pk->pc", values, weights * ~unknown)
    filled = splu(system).solve(right)
    return np.clip(filled, 0, 255)


def _mirrored(index: np.ndarray, size: int) -> np.ndarray:
    """Index beyond 0 ... size - 1, mirrored at the first and last pixel."""
    if size == 1:
        return np.zeros_like(index, dtype=np.int64)
    period = 2 * (size - 1)
    index = np.abs(index.astype(np.int64)) % period
    return np.minimum(index, period - index)
