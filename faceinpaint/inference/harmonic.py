"""Harmonic interpolation: what is known at a hole's edge, continued into it as smoothly as can be."""

from __future__ import annotations

import cv2
import numpy as np

CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4  # the mean of the four neighbours
SWEEPS = 12  # of Jacobi's method at each size, from the smallest up
SMALLEST = 4  # pixels of a side that is not halved any more


def harmonic(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """float32 (H, W, C) that equals ``values`` where ``known`` (bool (H, W)) and has no Laplacian elsewhere.

    Solved from coarse to fine: half the size first, then a few sweeps of Jacobi's method, which is exact to the eye.
    Without any known pixel the result is zero.
    """
    height, width = known.shape
    weight = known.astype(np.float32)
    if known.all():
        return values.astype(np.float32)
    if min(height, width) <= SMALLEST:
        mean = (values * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1.0)
        return np.where(known[..., None], values, mean).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    small = cv2.resize(values * weight[..., None], half, interpolation=cv2.INTER_AREA).reshape(*small_weight.shape, -1)
    coarse = harmonic(small / np.maximum(small_weight, 1e-6)[..., None], small_weight > 0)
    grown = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    result = np.where(known[..., None], values, grown).astype(np.float32)
    sure, kept = values.astype(np.float32), known.astype(np.uint8)
    for _ in range(SWEEPS):
        mean = cv2.filter2D(result, -1, CROSS, borderType=cv2.BORDER_REFLECT)
        result = np.asarray(cv2.copyTo(sure, kept, mean), np.float32).reshape(values.shape)
    return result
