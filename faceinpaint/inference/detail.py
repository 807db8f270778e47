"""Detail finer than a fill has, carried into the hole from valid pixels of the same photograph, its grain included.

Contextual residual aggregation (HiFill, Yi 2020): the residual is what a picture has beyond its own blurred version;
a cell of the hole takes the residual of the cells that attention would fill it from. HiFill takes their weighted mean,
which is duller than each of them; here it gets as much energy as its parts have and the fill lacks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from faceinpaint.data.routing import Patch
from faceinpaint.inference.guide import Guide

BLUR = 0.5  # model pixels: the standard deviation of the blur that takes away what the model cannot paint
LEAST_BLUR, MOST_BLUR = 0.7, 8.0  # pixels of the picture
GAIN = 0.75  # of the carried detail: it costs fidelity with its square, and shows with its size
HALVED_FROM = 2.0  # pixels: a wider blur is made of the picture at half its size, in a fraction of the time
MOST_ENERGY = 16.0  # times the mean's own, that it is given


def carry_detail(picture: np.ndarray, patch: Patch, damage: np.ndarray, guide: Guide) -> None:
    """Add detail to ``patch.hole`` of ``picture`` uint8 (H, W, 3), filled already, in place.

    damage: uint8 (H, W), 1 where the photograph was not valid. Without a guide's cell a pixel stays as it is.
    """
    blur = float(np.clip(BLUR / patch.scale, LEAST_BLUR, MOST_BLUR))
    if not len(guide.cells):
        return
    x0, y0, x1, y1 = patch.footprint()
    left, top, right, bottom = max(0, x0), max(0, y0), min(picture.shape[1], x1), min(picture.shape[0], y1)
    residual = residual_of(picture, (left, top, right, bottom), blur)
    reach = int(np.ceil(blur))
    near = cv2.dilate(damage[top:bottom, left:right], np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    y, x = np.nonzero(patch.hole)
    y, x = y + patch.box[1], x + patch.box[0]
    mean, energy = _gathered(residual, near > 0, y - top, x - left, y, x, patch, guide)
    own = residual[y - top, x - left] ** 2
    side = 2 * int(np.ceil(guide.side / patch.scale / 2)) + 1
    missing, given = (_blurred(values, patch, y, x, side) for values in (energy - own, mean**2))
    gain = np.sqrt(np.clip(missing / np.maximum(given, 1e-3), 0, MOST_ENERGY))
    picture[y, x] = np.clip(np.rint(picture[y, x] + GAIN * gain * mean), 0, 255).astype(np.uint8)


def residual_of(picture: np.ndarray, box: tuple[int, int, int, int], blur: float) -> np.ndarray:
    """``box`` (x0, y0, x1, y1) of uint8 (H, W, 3), less the picture blurred by a Gaussian of ``blur`` pixels.

    float32, in levels; that of a wide blur to one level.
    """
    x0, y0, x1, y1 = box
    view = picture[y0:y1, x0:x1]
    if blur < HALVED_FROM:
        fine = view.astype(np.float32)
        return fine - np.asarray(cv2.GaussianBlur(fine, (0, 0), blur), np.float32)
    reach = 2 * math.ceil(blur)  # halving goes by the corner of what it is given: the edges are kept away
    height, width = picture.shape[:2]
    wide = picture[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach]
    beyond = [max(0, each) for each in (reach - y0, y1 + reach - height, reach - x0, x1 + reach - width)]
    if any(beyond):
        above, below, before, behind = beyond
        wide = np.asarray(cv2.copyMakeBorder(wide, above, below, before, behind, cv2.BORDER_REFLECT_101))
    # Halving and enlarging blur by a deviation of one pixel each; the rest of it is half as many pixels there.
    half = cv2.GaussianBlur(cv2.pyrDown(wide).astype(np.float32), (0, 0), math.sqrt(blur**2 - 2) / 2)
    blurred = np.asarray(cv2.pyrUp(half, dstsize=wide.shape[1::-1]), np.float32)
    return view - blurred[reach : reach + y1 - y0, reach : reach + x1 - x0]


def _blurred(values: np.ndarray, patch: Patch, y: np.ndarray, x: np.ndarray, side: int) -> np.ndarray:
    """Values (P, 3) of the patch's hole pixels, blurred over ``side`` pixels of the hole."""
    x0, y0, x1, y1 = patch.box
    image = np.zeros((y1 - y0, x1 - x0, 3), np.float32)
    image[y - y0, x - x0] = values
    return cv2.blur(image, (side, side))[y - y0, x - x0]


def _gathered(
    residual: np.ndarray,
    invalid: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
    y: np.ndarray,
    x: np.ndarray,
    patch: Patch,
    guide: Guide,
) -> tuple[np.ndarray, np.ndarray]:
    """(P, 3) twice: the weighted mean of the residuals that pixels take, and of their squares.

    A pixel (row, column of ``residual``; y, x of the picture) takes from the four cells around it, nearer ones more, so
    that cells do not show.
    """
    steps_x, steps_y = _steps(patch, guide)
    height, width = invalid.shape
    valid = ~invalid.ravel()
    channels = [np.ascontiguousarray(channel).ravel() for channel in np.moveaxis(residual, 2, 0)]
    total, sums, squares = np.zeros(len(y), np.float32), *np.zeros((2, 3, len(y)), np.float32)
    for entry, near in _cells_around(patch, guide, y, x):
        for k in range(guide.sources.shape[1]):
            r, c = row + steps_y[k][entry], column + steps_x[k][entry]
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width) & (entry >= 0)
            source = np.where(inside, r * width + c, 0)
            weight = (near * guide.weights[:, k][entry] * (inside & valid[source])).astype(np.float32)
            total += weight
            for channel, mean, energy in zip(channels, sums, squares, strict=True):  # one by one: fast
                taken = channel[source]
                mean += weight * taken
                energy += weight * taken**2
    total = np.maximum(total, 1e-6)
    return (sums / total).T, (squares / total).T


def _cells_around(patch: Patch, guide: Guide, y: np.ndarray, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The four cells around each pixel (y, x) of the picture, one after the other.

    Each as its place among ``guide.cells``, -1 where it is none of them, and how near it is, 0 to 1: (P,) both.
    """
    u, v = (patch.matrix[k, 0] * x + patch.matrix[k, 1] * y + patch.matrix[k, 2] for k in (0, 1))
    along, down = ((place + 0.5) / guide.side - 0.5 for place in (u, v))
    index = np.full(guide.grid**2, -1)
    index[guide.cells] = np.arange(len(guide.cells))
    top, left = np.floor(down).astype(int), np.floor(along).astype(int)
    for dv, du in ((0, 0), (0, 1), (1, 0), (1, 1)):
        i, j = top + dv, left + du
        entry = index[np.clip(i, 0, guide.grid - 1) * guide.grid + np.clip(j, 0, guide.grid - 1)]
        yield entry, (1 - np.abs(down - i)) * (1 - np.abs(along - j))


def _steps(patch: Patch, guide: Guide) -> tuple[np.ndarray, np.ndarray]:
    """(K, J) twice: pixels of the picture, across and down, from each of the guide's cells to its sources."""
    sources, cells = guide.sources.astype(int), guide.cells[:, None]
    steps = np.stack([sources % guide.grid - cells % guide.grid, sources // guide.grid - cells // guide.grid], -1)
    inverse = np.linalg.inv(patch.matrix[:, :2])
    across, down = np.rint(steps * guide.side @ inverse.T).astype(int).T
    return across, down
