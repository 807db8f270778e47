"""What several classical fills need."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

Cut = tuple[slice, slice]  # rows, columns
Fill = Callable[[np.ndarray, np.ndarray, bool], np.ndarray]  # see coarse_to_fine
ALL, EARLIER, LATER = slice(None), slice(None, -1), slice(1, None)
ACROSS: tuple[Cut, Cut] = (ALL, EARLIER), (ALL, LATER)  # every pixel with a right neighbour, and those neighbours
DOWN: tuple[Cut, Cut] = (EARLIER, ALL), (LATER, ALL)
SHALLOW = 2  # pixels from a hole's middle to its edge: a deeper one is filled at half the size first


def composite(image: np.ndarray, mask: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """``filled`` in the hole, ``image`` elsewhere: uint8 (H, W, 3); mask (H, W), not 0 in the hole."""
    return np.where(mask[..., None] > 0, filled, image)


def around_hole(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle with every hole pixel, and ``margin`` pixels more on each side.

    mask (H, W), not 0 in the hole. Without a hole: nothing, which is no pixel.
    """
    if not mask.any():
        return slice(0, 0), slice(0, 0)
    bounds = []
    for axis, size in ((1, mask.shape[0]), (0, mask.shape[1])):
        (found,) = np.nonzero(mask.any(axis=axis))
        bounds.append(slice(max(0, found[0] - margin), min(size, found[-1] + 1 + margin)))
    return bounds[0], bounds[1]


def smooth_fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) with plain diffusion in the hole, mask (H, W): what patches are laid on."""
    rows, columns = around_hole(mask, margin=1)
    hole, u = mask[rows, columns] > 0, image[rows, columns] / 255.0
    u[hole] = 0.5 if hole.all() else evenly_diffused(u, hole)
    filled = image.copy()
    filled[rows, columns] = np.rint(u.clip(0, 1) * 255).astype(np.uint8)
    return filled


def refined(image: np.ndarray, mask: np.ndarray, margin: int, fill: Fill) -> np.ndarray:
    """uint8 (H, W, 3) with its hole, mask (H, W), filled by :func:`coarse_to_fine`.

    ``margin``: pixels that it sees around the hole.
    """
    part = around_hole(mask, margin)
    filled = image.copy()
    u = coarse_to_fine(image[part] / 255.0, mask[part] > 0, fill)
    filled[part] = np.rint(u.clip(0, 1) * 255).astype(np.uint8)
    return composite(image, mask, filled)


def coarse_to_fine(u: np.ndarray, hole: np.ndarray, fill: Fill) -> np.ndarray:
    """Colours (H, W, C) in [0, 1] with the hole, bool (H, W), filled: at a small size first, where it is small.

    ``fill(u, hole, coarsest)`` gives the colours (P, C) of the P hole pixels. The hole of its ``u`` holds the result at
    half the size, or plain diffusion's at the coarsest. A picture that is all hole becomes mid-grey.
    """
    if hole.all():
        return np.full_like(u, 0.5)
    deepest = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
    u, coarsest = u.copy(), deepest <= SHALLOW or min(hole.shape) < 4
    if coarsest:
        u[hole] = evenly_diffused(u, hole)
    else:
        u[hole] = cv2.resize(coarse_to_fine(*halved(u, hole), fill), hole.shape[::-1])[hole]
    u[hole] = fill(u, hole, coarsest)
    return u


def halved(u: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours (H, W, C) and hole at half the size; a pixel is known if one of its four was: the mean of those."""
    known = (~hole).astype(u.dtype)
    size = (-(-hole.shape[1] // 2), -(-hole.shape[0] // 2))
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    colours = cv2.resize(u * known[..., None], size, interpolation=cv2.INTER_AREA).reshape(*share.shape, -1)
    return colours / np.maximum(share, 1e-6)[..., None], share < 1e-6


def evenly_diffused(u: np.ndarray, hole: np.ndarray, slopes: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """:func:`diffused` with a diffusivity of 1."""
    return diffused(u, hole, np.ones((len(u), u.shape[1] - 1)), np.ones((len(u) - 1, u.shape[1])), slopes)


def diffused(
    u: np.ndarray,
    hole: np.ndarray,
    across: np.ndarray,
    down: np.ndarray,
    slopes: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Colours (P, C) of the P hole pixels at which sum over neighbours of diffusivity (u_neighbour - u - slope) is 0.

    u (H, W, C); hole bool (H, W); diffusivities above 0 between neighbours across (H, W - 1) and down (H - 1, W).
    slopes: (H, W - 1, C) and (H - 1, W, C), by how much the later neighbour should exceed the earlier one; None: 0;
    otherwise this is Poisson's equation (Perez 2003).
    """
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(hole.sum())
    wanted = slopes or (np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
    pairs = [(*ACROSS, across, wanted[0]), (*DOWN, down, wanted[1])]
    count, channels = hole.sum(), u.shape[2]
    entries, diagonal, known = [], np.zeros(count), np.zeros((count, channels))
    for first, second, weights, slope in pairs:
        for here, there, sign in ((first, second, -1), (second, first, 1)):
            inside = hole[here]
            own, other, weight = number[here][inside], number[there][inside], weights[inside]
            np.add.at(diagonal, own, weight)
            joined = other >= 0
            entries.append((-weight[joined], own[joined], other[joined]))
            excess = np.broadcast_to(slope, (*weights.shape, channels))[inside]
            np.add.at(known, own, sign * weight[:, None] * excess)
            np.add.at(known, own[~joined], weight[~joined, None] * u[there][inside][~joined])
    entries.append((diagonal, np.arange(count), np.arange(count)))
    values, own, other = (np.concatenate(each) for each in zip(*entries, strict=True))
    matrix = coo_array((values, (own, other)), shape=(count, count)).tocsc()
    return splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(known)
