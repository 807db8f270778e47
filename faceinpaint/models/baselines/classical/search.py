"""Where in a picture's known part a patch looks most alike."""

from __future__ import annotations

import cv2
import numpy as np


def differences(picture: np.ndarray, patch: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted squared differences of a patch to each place of a picture, exact, over all channels.

    picture float32 (H, W, 3), patch (h, w, 3), weights (h, w), at least 0 -> (H - h + 1, W - w + 1): what stands at
    (y, x) is the patch laid with its first pixel there.
    """
    root = np.sqrt(weights, dtype=np.float32)[..., None].repeat(3, axis=2)  # the mask is squared within
    found = cv2.matchTemplate(picture, np.ascontiguousarray(patch), cv2.TM_SQDIFF, mask=root)
    return np.maximum(found, 0)  # a transform's rounding


def whole_places(known: np.ndarray, height: int, width: int) -> np.ndarray:
    """Where a patch of that size sees known pixels alone, bool (H - h + 1, W - w + 1); known bool (H, W).

    Where there is no such place: those that see the most.
    """
    sums = cv2.integral(known.astype(np.uint8))
    seen = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    return seen == seen.max()
