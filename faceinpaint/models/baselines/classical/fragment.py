"""Fragment-based completion (Drori, Cohen-Or and Yeshurun 2003): examples, laid where confidence is greatest."""

from __future__ import annotations

import cv2
import numpy as np

from faceinpaint.models.baselines.classical.common import composite, halved, smooth_fill
from faceinpaint.models.baselines.classical.search import differences, whole_places

SMALLEST = 32  # a picture whose shorter side is less is not halved
RADIUS = (2, 6)  # of a fragment, in pixels: where contrast is greatest, and where it is least
REACH = 48  # pixels from a target within which its example is looked for
SURE = 0.9  # confidence from which a pixel is done
NEAR = cv2.getGaussianKernel(9, 2) @ cv2.getGaussianKernel(9, 2).T  # g of the confidence


def fragment(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill uint8 (H, W, 3) where mask (H, W) is 1; the result equals the image elsewhere.

    From coarse to fine: what the coarser size gave is the first guess of the finer one. At each, the hole pixel of most
    confidence b_i = sum_j g_j a_j^2 is the middle of the next target t (Drori 2003: a is 1 for known pixels, g a
    Gaussian neighbourhood), and its fragment s minimises sum_i b_i (s_i - t_i)^2 over the known places near t, and near
    the same place of the mirror image. That is the paper's measure with b = 1 in the source, with squares instead of
    absolute values, and without its scales and rotations. It is laid by a Laplacian pyramid over what is there, as
    confidence asks, which grows to 1 in its middle. Fragments are small where the guess has contrast, else large.
    """
    known = mask == 0
    guess = smooth_fill(image, mask).astype(np.float32)
    filled = guess if not known.any() else _completed(guess, known)
    return composite(image, mask, np.rint(filled.clip(0, 255)).astype(np.uint8))


def _completed(guess: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Colours float32 (H, W, 3) in [0, 255], completed where known (H, W) is False."""
    if min(known.shape) >= 2 * SMALLEST:
        small, hole = halved(guess, ~known)
        small[hole] = cv2.resize(guess, hole.shape[::-1], interpolation=cv2.INTER_AREA)[hole]
        before = cv2.resize(_completed(small, ~hole), known.shape[::-1], interpolation=cv2.INTER_LINEAR)
        guess = np.where(known[..., None], guess, before)
    picture, alpha = guess.copy(), known.astype(np.float32)
    sources = [(guess, known), (guess[:, ::-1], known[:, ::-1])]
    while (alpha < SURE).any():
        confidence = cv2.filter2D(alpha**2, -1, NEAR)
        y, x = np.unravel_index(np.where(alpha < SURE, confidence, -1).argmax(), alpha.shape)
        place, middle = _target(picture, int(y), int(x))
        example = _example(sources, picture[place], confidence[place], int(y), int(x))
        picture[place] = laplacian_over(picture[place], example, alpha[place])
        alpha[place] = np.maximum(alpha[place], _falloff(alpha[place].shape, middle))
    return picture


def _target(picture: np.ndarray, y: int, x: int) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """The fragment around a pixel, cut at the picture's edge, and where that pixel is in it."""
    least, most = RADIUS
    around = picture[max(0, y - most) : y + most + 1, max(0, x - most) : x + most + 1]
    contrast = float(around.mean(axis=2).std()) / 64  # 1: as between bright and dark areas
    radius = round(most - (most - least) * min(1.0, contrast))
    top, left = max(0, y - radius), max(0, x - radius)
    return np.s_[top : y + radius + 1, left : x + radius + 1], (y - top, x - left)


def _example(
    sources: list[tuple[np.ndarray, np.ndarray]], target: np.ndarray, confidence: np.ndarray, y: int, x: int
) -> np.ndarray:
    """The most alike fragment of the picture and of its mirror image, near a place."""
    height, width = confidence.shape
    best, found = np.inf, target
    near = np.s_[max(0, y - REACH) : y + REACH + 1, max(0, x - REACH) : x + REACH + 1]
    for picture, known in ((each[0][near], each[1][near]) for each in sources):
        errors = np.where(whole_places(known, height, width), differences(picture, target, confidence), np.inf)
        if errors.min() < best:
            best = errors.min()
            top, left = np.unravel_index(errors.argmin(), errors.shape)
            found = picture[top : top + height, left : left + width]
    return found


def laplacian_over(below: np.ndarray, above: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """``below`` where alpha is 1, ``above`` where it is 0, joined at each scale (Drori 2003).

    float32 (h, w, 3) each, alpha (h, w): low frequencies change slowly between the two, and high ones at once.
    """
    if min(alpha.shape) < 8:
        return above + (below - above) * alpha[..., None]
    small = [cv2.pyrDown(np.ascontiguousarray(each)) for each in (below, above, alpha)]
    lows = [cv2.pyrUp(each, dstsize=alpha.shape[::-1]) for each in (small[0], small[1])]
    high = [each - low for each, low in zip((below, above), lows, strict=True)]
    low = cv2.pyrUp(laplacian_over(*small), dstsize=alpha.shape[::-1])
    return low + high[1] + (high[0] - high[1]) * alpha[..., None]


def _falloff(shape: tuple[int, ...], middle: tuple[int, int]) -> np.ndarray:
    """New confidence of a fragment's pixels: 1 within half its radius, then falling to 0 outside."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    far = np.maximum(abs(rows - middle[0]), abs(columns - middle[1])) / (max(shape) / 2)
    return np.clip(2 - 2 * far, 0, 1).astype(np.float32)
