"""Hole filling through photomontage (Wilczkowiak, Brostow, Tordoff and Cipolla 2005).

Large regions of the picture are laid into the hole, cut along the best seams and blended by their gradients.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from faceinpaint.models.baselines.classical.common import (
    ACROSS,
    DOWN,
    around_hole,
    composite,
    evenly_diffused,
    smooth_fill,
)
from faceinpaint.models.baselines.classical.search import differences, whole_places

REGIONS = 3  # source regions at most for one part of the hole
RING = 3  # pixels around a part at which its source must agree with the picture
WIDEST = 3  # a part of the hole is at most a third of the picture's side
UNIT = 16  # flow is in whole numbers: one grey level is so many


def photomontage(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill uint8 (H, W, 3) where mask (H, W) is 1; the result equals the image elsewhere.

    For each part of the hole: the source regions, shifted or mirrored, that differ least from a ring around it; between
    them the seam that minimises sum over cut neighbours p, q of |A_p - B_p| + |A_q - B_q|, found as a minimum cut; a
    region also pays |S_q - I_q| beside each known neighbour q (Wilczkowiak 2005: best regions, optimal seams, gradient
    blending); then Poisson's equation gives the colours whose slopes are nearest to the regions' and which meet the
    picture at the hole's edge. Long parts are cut in two first. In the paper a user may point at sources; here they are
    found, and outside the hole nothing changes.
    """
    filled = smooth_fill(image, mask).astype(np.float32)
    known, done = mask == 0, mask == 0
    count, parts = cv2.connectedComponents((mask > 0).astype(np.uint8))
    for number in range(1, count):
        for part in _pieces(parts == number, max(1, min(mask.shape) // WIDEST)):
            _fill_part(filled, part, known, done)
            done |= part
    return composite(image, mask, np.rint(filled.clip(0, 255)).astype(np.uint8))


def _pieces(part: np.ndarray, longest: int) -> list[np.ndarray]:
    """A part of the hole, bool (H, W), cut across its longer side until no side exceeds ``longest`` pixels."""
    rows, columns = around_hole(part, margin=0)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if max(height, width) <= longest:
        return [part]
    halves = [part.copy(), part.copy()]
    if height >= width:
        halves[0][rows.start + height // 2 :], halves[1][: rows.start + height // 2] = False, False
    else:
        halves[0][:, columns.start + width // 2 :], halves[1][:, : columns.start + width // 2] = False, False
    return [piece for half in halves if half.any() for piece in _pieces(half, longest)]


def _fill_part(filled: np.ndarray, part: np.ndarray, known: np.ndarray, done: np.ndarray) -> None:
    """Fill one part of the hole, in place. known: what is picture, not hole; done: and what has been filled."""
    window = around_hole(part, margin=RING)
    part, picture = part[window], filled[window]
    ring = cv2.dilate(part.astype(np.uint8), np.ones((2 * RING + 1,) * 2)) > 0
    regions = _regions(filled, window, ring & done[window], known)
    labels = np.zeros(part.shape, int)
    for label in range(1, len(regions)):
        _join(labels, label, regions, part, picture, done[window])
    picture[part] = blended(regions, labels, part, picture)


def _regions(filled: np.ndarray, window: tuple[slice, slice], ring: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """Source regions float32 (h, w, 3), the best first: each the least different where those before it differ most."""
    target = filled[window]
    height, width = ring.shape
    left = ring.astype(np.float32)  # what a place of the ring still counts
    regions: list[np.ndarray] = []
    for _ in range(REGIONS):
        best, found = np.inf, target
        for picture, seen in ((filled, known), (filled[:, ::-1], known[:, ::-1])):
            errors = np.where(whole_places(seen, height, width), differences(picture, target, left), np.inf)
            if errors.min() < best:
                best, (y, x) = errors.min(), np.unravel_index(errors.argmin(), errors.shape)
                found = picture[y : y + height, x : x + width].copy()
        regions.append(found)
        off = np.min([((region - target) ** 2).sum(axis=2) for region in regions], axis=0)
        left = np.where(ring, off / max(off[ring].max(initial=0), 1e-6), 0).astype(np.float32)
    return regions


def _join(
    labels: np.ndarray,
    label: int,
    regions: list[np.ndarray],
    part: np.ndarray,
    picture: np.ndarray,
    known: np.ndarray,
) -> None:
    """Give ``label`` to the pixels on its side of the best seam between its region and those laid so far, in place."""
    laid = np.take_along_axis(np.stack(regions), labels[None, ..., None], axis=0)[0]
    new = regions[label]
    number = np.full(part.shape, -1)
    number[part] = np.arange(part.sum())
    apart = np.abs(laid - new).sum(axis=2)
    own, other, price = [], [], []
    data = np.zeros((2, part.sum()))  # what a pixel costs with the laid and with the new region
    for first, second in (ACROSS, DOWN):
        both = part[first] & part[second]
        own.append(number[first][both])
        other.append(number[second][both])
        price.append((apart[first] + apart[second])[both])
        for here, there in ((first, second), (second, first)):
            edge = part[here] & known[there]
            for row, region in enumerate((laid, new)):
                off = np.abs(region[there] - picture[there]).sum(axis=2)
                np.add.at(data[row], number[here][edge], off[edge])
    takes = minimum_cut(data, np.concatenate(own), np.concatenate(other), np.concatenate(price))
    labels[part] = np.where(takes, label, labels[part])


def minimum_cut(data: np.ndarray, own: np.ndarray, other: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Which pixels take the second of two labels at the least sum of their costs and of the prices of cut pairs.

    data (2, P), at least 0: what each pixel costs with each label. own, other int (E,): pairs of pixels; price (E,).
    Returns bool (P,). Exact up to a rounding of 1 / 16 of each cost.
    """
    count = data.shape[1]
    source, sink = count, count + 1  # what stays with the source after the cut takes the second label
    pixels = np.arange(count)
    starts = np.concatenate([np.full(count, source), pixels, own, other]).astype(np.int32)  # as maximum_flow wants them
    ends = np.concatenate([pixels, np.full(count, sink), other, own]).astype(np.int32)
    capacity = np.rint(np.concatenate([data[0], data[1], price, price]) * UNIT).astype(np.int32)
    graph = coo_array((capacity, (starts, ends)), shape=(count + 2, count + 2)).tocsr()
    left = graph - maximum_flow(graph, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    takes = np.zeros(count + 2, bool)
    takes[reached] = True
    return takes[:count]


def blended(regions: list[np.ndarray], labels: np.ndarray, part: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Colours (P, 3) of the part whose slopes are the regions' and which meet the picture around it.

    Between pixels of two regions, the slope is the mean of both regions' slopes.
    """
    slopes = []
    for axis, (first, second) in enumerate((ACROSS, DOWN)):
        own = np.stack([np.diff(region, axis=1 - axis) for region in regions])
        ends = [np.take_along_axis(own, labels[each][None, ..., None], axis=0)[0] for each in (first, second)]
        inside = [part[each][..., None] for each in (first, second)]
        slopes.append(np.where(inside[0] & inside[1], (ends[0] + ends[1]) / 2, np.where(inside[0], ends[0], ends[1])))
    return evenly_diffused(picture, part, (slopes[0], slopes[1]))
