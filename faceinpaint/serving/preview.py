"""Masks as a person sees and paints them: the picture may be too large for a browser, its mask must not suffer."""

from __future__ import annotations

import cv2
import numpy as np

# Of what the browser gets, pixels; always a square of this size, since an editor that changes its own misplaces layers.
LONGEST_SIDE = CANVAS = 1200
BRUSH = (255, 0, 255)  # magenta
OPACITY = 140  # alpha of what is marked
PAINTED = 50  # alpha from which on a pixel is marked: the brush's soft edge is not


def shrunk(picture: np.ndarray) -> np.ndarray:
    """``picture`` uint8 (H, W, 3) with no side longer than LONGEST_SIDE."""
    height, width = preview_size(*picture.shape[:2])
    if (height, width) == picture.shape[:2]:
        return picture
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


def preview_size(height: int, width: int) -> tuple[int, int]:
    """The size at which a picture is shown."""
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrunk_mask(mask: np.ndarray | None, height: int, width: int) -> np.ndarray:
    """A mask uint8 (H, W), 1 in the hole, or None for an empty one, at ``height`` x ``width``: no part vanishes."""
    if mask is None:
        return np.zeros((height, width), np.uint8)
    if mask.shape == (height, width):
        return mask
    small = np.asarray(cv2.resize(mask * np.uint8(255), (width, height), interpolation=cv2.INTER_AREA))
    return (small > 0).astype(np.uint8)


def as_layer(mask: np.ndarray) -> np.ndarray:
    """A mask uint8 (h, w) as the editor's layer: RGBA uint8 (h, w, 4)."""
    layer = np.zeros((*mask.shape, 4), np.uint8)
    layer[mask > 0] = (*BRUSH, OPACITY)
    return layer


def from_layers(layers: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """The editor's layers RGBA (CANVAS, CANVAS, 4) as a mask of the preview uint8 (height, width), 1 where painted."""
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    for layer in layers:
        if layer.shape[:2] != mask.shape:
            layer = np.asarray(cv2.resize(layer, mask.shape, interpolation=cv2.INTER_NEAREST))
        mask |= (layer[..., 3] >= PAINTED).astype(np.uint8)
    top, left = (CANVAS - height) // 2, (CANVAS - width) // 2
    return mask[top : top + height, left : left + width]


def merged(full: np.ndarray | None, shown: np.ndarray, edited: np.ndarray, height: int, width: int) -> np.ndarray:
    """The full-size mask after an edit of its preview: only what was painted or erased changes.

    full: uint8 (height, width) or None; shown, edited: previews uint8 (h, w), before and after. Returns uint8
    (height, width).
    """
    result = np.zeros((height, width), np.uint8) if full is None else full.copy()
    for change, value in ((edited & (1 - shown), 1), (shown & (1 - edited), 0)):
        if change.any():
            result[np.asarray(cv2.resize(change, (width, height), interpolation=cv2.INTER_NEAREST)) > 0] = value
    return result


def on_canvas(pixels: np.ndarray, level: int = 0) -> np.ndarray:
    """A preview uint8 (h, w, C) in the middle of the editor's square (CANVAS, CANVAS, C) of ``level``."""
    top, left = (CANVAS - pixels.shape[0]) // 2, (CANVAS - pixels.shape[1]) // 2
    square = np.full((CANVAS, CANVAS, pixels.shape[2]), level, np.uint8)
    square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return square
