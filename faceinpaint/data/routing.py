"""Route each hole of a picture to a patch a model can restore, and paste the patch back.

Coordinates: pixel centres lie on whole numbers (OpenCV's convention); a ``matrix`` takes picture (x, y) to patch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from faceinpaint.data.faces import Alignment, align, alignment_of, find_faces

ALIGNED_WITHIN = 0.12  # a picture whose corners lie this near to the crop's (shares of its side) is an aligned face
SURROUNDINGS = 2.0  # a patch without a face is this many times as large as its hole
FEATHER_SHARE = 1 / 32  # default feather over the patch's side


@dataclass(frozen=True)
class Patch:
    """A part of a picture for the model.

    matrix: (2, 3), picture -> patch; size: side of the patch, pixels; box: (x0, y0, x1, y1) of its hole in the picture;
    hole: uint8 (y1 - y0, x1 - x0), the hole pixels that this patch restores; kind: ``aligned`` (the picture is itself
    an aligned face), ``face`` (aligned by landmarks), ``none`` (no face there: the hole's surroundings).
    """

    matrix: np.ndarray
    size: int
    box: tuple[int, int, int, int]
    hole: np.ndarray
    kind: Literal["aligned", "face", "none"]


def route(picture: np.ndarray, mask: np.ndarray, size: int, alignment: Alignment | None = None) -> list[Patch]:
    """Patches that together cover each hole pixel once, faces first; ``[]`` for an empty mask.

    picture uint8 RGB (H, W, 3); mask uint8 (H, W), 1 in the hole; ``size``: the model's picture. Pictures of exactly
    the model's size, and larger ones whose landmarks lie where the model's do, go through whole. Elsewhere hole pixels
    inside a face's crop go to that face (the surest, where crops overlap), each other hole to its surroundings.
    """
    height, width = mask.shape
    if not mask.any():
        return []
    whole = np.array([[size / width, 0, size / width / 2 - 0.5], [0, size / height, size / height / 2 - 0.5]])
    if (height, width) == (size, size):
        return [_patch(whole, size, mask, "aligned")]
    left = mask.copy()
    patches = []
    for face in find_faces(picture, mask):
        matrix = align(face, size, alignment or alignment_of(size))
        if _is_whole_picture(matrix, height, width, size):
            return [_patch(whole, size, mask, "aligned")]
        inside = left * _footprint(matrix, size, height, width)
        if inside.any():
            patches.append(_patch(matrix, size, inside, "face"))
            left -= inside
    return patches + _surroundings(left, size)


def cut(picture: np.ndarray, mask: np.ndarray, patch: Patch) -> tuple[np.ndarray, np.ndarray]:
    """The patch of a picture, uint8 (size, size, 3), and of its whole mask, uint8 (size, size).

    Shrinking averages; beyond the picture's edge it is mirrored. A mask pixel is hole if any pixel under it is.
    """
    crop = _warp(picture, patch)
    touched = _warp((mask > 0).astype(np.uint8) * 255, patch)
    return crop, (touched > 0).astype(np.uint8)


def paste(
    picture: np.ndarray, restored: np.ndarray, patch: Patch, damage: np.ndarray, feather: float | None = None
) -> np.ndarray:
    """A copy of ``picture`` with ``patch.hole`` taken from ``restored`` uint8 (S, S, 3); all else is untouched.

    Within ``feather`` picture pixels (default: 1/32 of the patch) of the hole's edge the restored colours bend to meet
    the picture's: the difference seen on valid pixels near by fades out inwards. 0: no bending. ``damage``: uint8
    (H, W), 1 where the picture is not valid: this hole, and those of other patches that are not pasted yet.
    """
    x0, y0, x1, y1 = patch.box
    if feather is None:
        feather = FEATHER_SHARE * patch.size / _scale(patch.matrix)
    margin = int(np.ceil(feather)) + 1
    top, left = max(0, y0 - margin), max(0, x0 - margin)
    area = picture[top : y1 + margin, left : x1 + margin]
    hole = np.zeros(area.shape[:2], np.uint8)
    hole[y0 - top : y1 - top, x0 - left : x1 - left] = patch.hole
    shifted = patch.matrix.copy()
    shifted[:, 2] += patch.matrix[:, :2] @ [left, top]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP  # the matrix goes from picture to patch already
    warped = cv2.warpAffine(restored, shifted, area.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    painted = warped.astype(np.float32)
    if feather > 0:
        valid = 1 - damage[top : y1 + margin, left : x1 + margin].astype(np.float32)
        painted += _bend(area.astype(np.float32) - painted, hole, valid, feather)
    result = picture.copy()
    view = result[top : y1 + margin, left : x1 + margin]
    view[hole > 0] = np.clip(np.rint(painted), 0, 255).astype(np.uint8)[hole > 0]
    return result


def moved(patch: Patch, left: int, top: int) -> Patch:
    """The patch in a part of its picture that begins at (left, top)."""
    matrix = patch.matrix.copy()
    matrix[:, 2] += patch.matrix[:, :2] @ [left, top]
    x0, y0, x1, y1 = patch.box
    return replace(patch, matrix=matrix, box=(x0 - left, y0 - top, x1 - left, y1 - top))


def _bend(difference: np.ndarray, hole: np.ndarray, valid: np.ndarray, feather: float) -> np.ndarray:
    """(H, W, 3): ``difference`` of valid pixels spread into the hole, fading out ``feather`` pixels from its edge."""
    weight = cv2.GaussianBlur(valid, (0, 0), feather / 2)
    spread = cv2.GaussianBlur(difference * valid[..., None], (0, 0), feather / 2) / np.maximum(weight, 1e-6)[..., None]
    depth = cv2.distanceTransform(hole, cv2.DIST_L2, 3)
    return spread * np.clip(1 - depth / feather, 0, 1)[..., None]


def _patch(matrix: np.ndarray, size: int, hole: np.ndarray, kind: Literal["aligned", "face", "none"]) -> Patch:
    x, y, width, height = cv2.boundingRect(hole)
    return Patch(matrix, size, (x, y, x + width, y + height), hole[y : y + height, x : x + width].copy(), kind)


def _is_whole_picture(matrix: np.ndarray, height: int, width: int, size: int) -> bool:
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ matrix[:, :2].T + matrix[:, 2]
    wanted = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    return bool(np.abs(corners - wanted).max() <= ALIGNED_WITHIN * size)


def _footprint(matrix: np.ndarray, size: int, height: int, width: int) -> np.ndarray:
    """uint8 (height, width): 1 where the patch lies in the picture."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float) * (size - 1)
    inverse = cv2.invertAffineTransform(matrix)
    outline = np.rint(corners @ inverse[:, :2].T + inverse[:, 2]).astype(np.int32)
    return cv2.fillConvexPoly(np.zeros((height, width), np.uint8), outline, 1)


def _surroundings(mask: np.ndarray, size: int) -> list[Patch]:
    """One square patch about each connected hole."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    patches = []
    for label in range(1, count):
        x, y, width, height, _ = boxes[label]
        hole = (labels[y : y + height, x : x + width] == label).astype(np.uint8)
        side = max(size, SURROUNDINGS * max(width, height))
        scale = size / side
        middle = np.array([x + (width - 1) / 2, y + (height - 1) / 2])
        offset = (size - 1) / 2 - scale * middle
        matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        patches.append(Patch(matrix, size, (x, y, x + width, y + height), hole, "none"))
    return patches


def _scale(matrix: np.ndarray) -> float:
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def _warp(picture: np.ndarray, patch: Patch) -> np.ndarray:
    """uint8 (H, W[, C]) -> (size, size[, C]); shrinks by whole factors with averaging first, against aliasing."""
    if picture.shape[:2] == (patch.size, patch.size) and patch.kind == "aligned":
        return picture.copy()
    matrix = patch.matrix.copy()
    factor = int(1 / _scale(matrix))
    if factor > 1:
        height, width = (side - side % factor or factor for side in picture.shape[:2])
        rows, columns = height // factor, width // factor
        picture = cv2.resize(picture[:height, :width], (columns, rows), interpolation=cv2.INTER_AREA)
        matrix[:, 2] += matrix[:, :2].sum(1) * (factor - 1) / 2  # small pixel 0 is centred there
        matrix[:, :2] *= factor
    return cv2.warpAffine(
        picture, matrix, (patch.size, patch.size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
