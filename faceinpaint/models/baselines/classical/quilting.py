"""Image quilting (Efros and Freeman 2001): blocks of the picture, joined along cuts of least error."""

from __future__ import annotations

import numpy as np

from faceinpaint.models.baselines.classical.common import around_hole, composite, smooth_fill
from faceinpaint.models.baselines.classical.search import differences, whole_places

BLOCKS = 12  # blocks that would stand side by side in the picture
OVERLAP = 3  # a block overlaps those before it by a third of its side
TOLERANCE = 0.1  # blocks at most this much worse than the best may be taken


def quilting(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill uint8 (H, W, 3) where mask (H, W) is 1; the result equals the image elsewhere.

    In raster order, each block is one of the picture's own that agrees with what lies under its overlap within the
    tolerance, drawn at random (seeded). Where two blocks overlap, the picture changes from the old to the new one along
    the path of least E(i, j) = e(i, j) + min(E(i-1, j-1), E(i-1, j), E(i-1, j+1)), e = (old - new)^2 (Efros 2001,
    section 2.1). The paper makes textures from nothing; here known pixels count as an overlap, on every side.
    """
    side = max(8, min(image.shape[:2]) // BLOCKS)
    overlap = side // OVERLAP
    picture, random = smooth_fill(image, mask).astype(np.float32), np.random.default_rng(0)
    known = mask == 0
    sources, original = whole_places(known, side, side), picture.copy()
    rows, columns = around_hole(mask, margin=overlap)
    for y in _starts(rows, side, overlap, image.shape[0]):
        for x in _starts(columns, side, overlap, image.shape[1]):
            place = np.s_[y : y + side, x : x + side]
            if known[place].all():
                continue
            errors = np.where(sources, differences(original, picture[place], known[place].astype(np.float32)), np.inf)
            good = np.argwhere(errors <= errors.min() * (1 + TOLERANCE) + 1e-3)
            top, left = good[random.integers(len(good))]
            block = original[top : top + side, left : left + side]
            takes = _new_side(picture[place], block, overlap) | ~known[place]
            picture[place][takes & (mask[place] > 0)] = block[takes & (mask[place] > 0)]
            known[place] = True
    return composite(image, mask, np.rint(picture).astype(np.uint8))


def cheapest_cut(errors: np.ndarray) -> np.ndarray:
    """The column of each row on the path from the first to the last row of least sum; steps of at most one column.

    errors (H, W), at least 0 -> int (H,).
    """
    total = errors.astype(np.float64).copy()
    for i in range(1, len(total)):
        before = np.pad(total[i - 1], 1, constant_values=np.inf)
        total[i] += np.minimum(np.minimum(before[:-2], before[1:-1]), before[2:])
    path = [int(total[-1].argmin())]
    for row in total[-2::-1]:
        low = max(0, path[-1] - 1)
        path.append(low + int(row[low : path[-1] + 2].argmin()))
    return np.array(path[::-1])


def _new_side(old: np.ndarray, new: np.ndarray, overlap: int) -> np.ndarray:
    """Pixels on the new block's side of both cuts: down its left overlap and along its top one, bool (h, w)."""
    errors = ((old - new) ** 2).sum(axis=2)
    across, down = np.arange(errors.shape[1]), np.arange(errors.shape[0])
    right_of = across >= cheapest_cut(errors[:, :overlap])[:, None]
    below = down[:, None] >= cheapest_cut(errors[:overlap].T)
    return right_of & below


def _starts(span: slice, side: int, overlap: int, size: int) -> list[int]:
    """First pixels of the blocks that cover a span, within the picture."""
    return [max(0, min(start, size - side)) for start in range(span.start, span.stop, side - overlap)]
