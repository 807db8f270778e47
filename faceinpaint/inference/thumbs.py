"""Small pictures for a report, beside its page: one JPEG per input, what was there, the hole, and what is there now."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np

from faceinpaint.images import box_of, halved
from faceinpaint.photos.photo import Part
from faceinpaint.storage import join, write_bytes

THUMBS = "_job/thumbs"
DRY_THUMBS = "_job/dry-run/thumbs"
SIDE = 192  # pixels of the longer side
GAP = 4  # white pixels between pictures
QUALITY = 80
SMALL = 1 / 8  # of a picture: a larger box is shrunk with all around it
HOLE_COLOUR = (230, 60, 40)


def thumb_name(key: str) -> str:
    """Where the thumbnails of an input lie, below the folder of thumbnails."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{digest[:2]}/{digest[2:18]}.jpg"


def thumbnail(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """uint8 (H, W[, C]), no longer than ``side``."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(halved(picture, 2 * side), size, interpolation=cv2.INTER_AREA)


def hole_thumbnail(hole: np.ndarray, side: int = SIDE) -> np.ndarray:
    """``thumbnail(hole * 255)`` of uint8 (H, W), 1 in the hole: of a small hole by the box alone that it fills."""
    left, top, wide, high = box_of(hole)
    scale = side / max(hole.shape)
    if scale >= 1 or wide * high > SMALL * hole.size:
        return thumbnail(hole * 255, side)
    height, width = (max(1, round(length * scale)) for length in hole.shape)
    down, across = _shares(height, hole.shape[0], top, high), _shares(width, hole.shape[1], left, wide)
    box = hole[top : top + high, left : left + wide].astype(np.float32)
    return np.rint(255 * (down @ box @ across.T)).astype(np.uint8)


def with_part(thumbnail: np.ndarray, part: Part, after: np.ndarray) -> np.ndarray:
    """A picture's thumbnail with the new pixels ``after``, uint8 (h, w, 3), of its part."""
    result = thumbnail.copy()
    # Each axis has its own scale: a thumbnail's sides are rounded, and the part must end where the thumbnail does.
    down, across = (small / full for small, full in zip(thumbnail.shape, part.size, strict=False))
    x0, y0, x1, y1 = (round(side * scale) for side, scale in zip(part.box, (across, down) * 2, strict=True))
    if x1 > x0 and y1 > y0:
        small = halved(after, 2 * max(x1 - x0, y1 - y0))
        result[y0:y1, x0:x1] = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    return result


def _shares(cells: int, pixels: int, start: int, count: int) -> np.ndarray:
    """(cells, count): which part of each of ``cells`` along a side of ``pixels`` each pixel from ``start`` on fills."""
    side = pixels / cells
    ends = np.arange(cells)[:, None] * side
    places = start + np.arange(count)
    overlap = np.minimum(ends + side, places + 1) - np.maximum(ends, places)
    return (np.maximum(overlap, 0) / side).astype(np.float32)


def write_thumb(output: str, folder: str, key: str, pictures: Sequence[np.ndarray]) -> None:
    """Write pictures, uint8 RGB (H, W, 3) or masks (H, W) of 0 and 255, side by side."""
    small = [thumbnail(picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)) for picture in pictures]
    high = max(picture.shape[0] for picture in small)
    columns: list[np.ndarray] = []
    for picture in small:
        columns += [_padded(picture, high), np.full((high, GAP, 3), 255, np.uint8)]
    strip = np.concatenate(columns[:-1], axis=1)
    data = cv2.imencode(".jpg", strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    write_bytes(join(output, folder, thumb_name(key)), data)


def shaded(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3) with its hole, uint8 (H, W) not 0 inside, in colour."""
    result = picture.copy()
    inside = hole > 0
    result[inside] = (result[inside] * 0.4 + np.array(HOLE_COLOUR) * 0.6).astype(np.uint8)
    return result


def _padded(picture: np.ndarray, high: int) -> np.ndarray:
    return np.pad(picture, ((0, high - picture.shape[0]), (0, 0), (0, 0)), constant_values=255)
