"""The simple classical fills, which libraries compute.

Each takes a picture uint8 RGB (H, W, 3) and a mask uint8 (H, W), 1 in the hole, and returns the filled picture, equal
to the input outside the hole.
"""

from __future__ import annotations

import cv2
import numpy as np
from skimage.restoration import inpaint_biharmonic

from faceinpaint.models.baselines.classical.common import composite

RADIUS = 3  # pixels around a hole pixel that OpenCV's fills look at


def biharmonic(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Solve the biharmonic equation over the hole (Damelin and Hoang 2018). All hole: mid-grey."""
    if mask.all():
        return mean(image, mask)
    filled = inpaint_biharmonic(image, mask > 0, channel_axis=2)
    return composite(image, mask, np.rint(filled.clip(0, 1) * 255).astype(np.uint8))


def navier_stokes(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Continue lines of equal brightness as a fluid would flow (Bertalmio 2001)."""
    return composite(image, mask, cv2.inpaint(image, mask, RADIUS, cv2.INPAINT_NS))


def telea(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fast marching from the hole's edge inwards (Telea 2004)."""
    return composite(image, mask, cv2.inpaint(image, mask, RADIUS, cv2.INPAINT_TELEA))


def mean(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mean colour of the valid pixels: a floor for all methods. A picture that is all hole becomes mid-grey."""
    valid = image[mask == 0]
    colour = np.rint(valid.mean(axis=0)) if len(valid) else np.full(3, 128)
    return composite(image, mask, np.broadcast_to(colour.astype(np.uint8), image.shape))
