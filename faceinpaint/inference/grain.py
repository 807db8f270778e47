"""The photograph's own grain and fine detail in thin holes, taken from valid pixels beside them, for all at once."""

from __future__ import annotations

import cv2
import numpy as np

DIRECTIONS = 12
CELL = 8  # px: pixels of a thin hole that lie in one cell take their detail together, so that it hangs together
BLUR = 0.3  # of the hole's radius: what a fill from the edges cannot know
LEAST_BLUR, MOST_BLUR = 0.7, 3.0  # pixels
GAIN = 0.8  # of the detail: it costs fidelity with its square, and shows with its size
UNUSABLE = 1e6  # cost of a pixel that is not valid


def carry_grain(picture: np.ndarray, y: np.ndarray, x: np.ndarray, thickness: np.ndarray, damage: np.ndarray) -> None:
    """Add detail to the filled pixels (y, x), (P,) each, of ``picture`` uint8 (H, W, 3), in place.

    Each cell of a hole looks around in a circle, a little further than the hole is wide, for the place whose blurred
    version is most like its own, and takes what that place has beyond it, as much as the fill lacks.
    thickness: (P,) radius of the pixel's hole; damage: uint8 (H, W), 1 where the photograph was not valid.
    """
    if not len(y):
        return
    top, left, part, bad = _neighbourhood(picture, y, x, damage)
    y, x = y - top, x - left
    cells = np.unique((y // CELL).astype(np.int64) * (part.shape[1] // CELL + 1) + x // CELL, return_inverse=True)[1]
    radius = np.zeros(cells.max() + 1, np.float32)
    np.maximum.at(radius, cells, thickness)
    blur = float(np.clip(BLUR * np.median(radius), LEAST_BLUR, MOST_BLUR))
    reach = int(np.ceil(blur))
    smooth = cv2.GaussianBlur(part, (0, 0), blur)
    near = cv2.dilate(bad, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    best = np.full(len(radius), UNUSABLE / 2)
    shift = np.zeros((len(radius), 2), int)
    pixels = np.bincount(cells)
    own = smooth[y, x].astype(np.float32)
    for dy, dx in _steps(radius, reach):
        r, c, inside = _moved(y + dy[cells], x + dx[cells], near.shape)
        unlike = smooth[r, c].astype(np.float32) - own
        cost = np.einsum("pc,pc->p", unlike, unlike) + UNUSABLE * ~(inside & (near[r, c] == 0))
        mean = np.bincount(cells, cost) / pixels
        better = mean < best
        best[better] = mean[better]
        shift[better] = np.stack([dy, dx], 1)[better]
    r, c, inside = _moved(y + shift[cells, 0], x + shift[cells, 1], near.shape)
    usable = (inside & (near[r, c] == 0) & (best < UNUSABLE / 2)[cells])[:, None]
    detail = (part[r, c].astype(np.float32) - smooth[r, c]) * usable
    missing = _energy(cells, detail) - _energy(cells, part[y, x].astype(np.float32) - own)
    gain = GAIN * np.sqrt(np.clip(missing / np.maximum(_energy(cells, detail), 1e-3), 0, 1))[cells, None]
    part[y, x] = np.clip(np.rint(part[y, x] + gain * detail), 0, 255).astype(np.uint8)


def _energy(cells: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum of squares of values (P, 3) of each cell."""
    return np.bincount(cells, (values**2).sum(1))


def _neighbourhood(
    picture: np.ndarray, y: np.ndarray, x: np.ndarray, damage: np.ndarray
) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Top and left of the part around the pixels, and that part of the picture (a view) and of the damage."""
    margin = 64
    top, left = max(0, int(y.min()) - margin), max(0, int(x.min()) - margin)
    area = (slice(top, int(y.max()) + margin + 1), slice(left, int(x.max()) + margin + 1))
    return top, left, picture[area], np.ascontiguousarray(damage[area])


def _steps(radius: np.ndarray, reach: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where each cell may look: (dy, dx) of whole pixels, (cells,) each; two circles about a hole of ``radius``."""
    steps = []
    for factor, more in ((2, 2), (3, 6)):
        distance = factor * radius + 2 * reach + more
        for i in range(DIRECTIONS):
            angle = 2 * np.pi * (i + 0.5 * (factor == 3)) / DIRECTIONS
            steps.append((np.rint(distance * np.sin(angle)).astype(int), np.rint(distance * np.cos(angle)).astype(int)))
    return steps


def _moved(y: np.ndarray, x: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns kept inside ``shape``, and whether they were."""
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    return np.where(inside, y, 0), np.where(inside, x, 0), inside
