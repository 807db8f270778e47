"""Route each hole of a picture to what restores it best: the model, on a crop about its face, or its own edges.

Coordinates: pixel centres lie on whole numbers (OpenCV's convention); a ``matrix`` takes picture (x, y) to patch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np

from faceinpaint.data.components import Holes
from faceinpaint.data.faces import Alignment, Face, align, alignment_of
from faceinpaint.data.search import SURE, find_faces

ALIGNED_WITHIN = 0.12  # a picture whose corners lie this near to the crop's (shares of its side) is an aligned face
TAKEN_AS_IT_IS = 128  # no face is looked for in pictures of the model's size up to this
SURROUNDINGS = 2.0  # a patch without a face is this many times as large as its hole
THIN = 2.5  # pixels of the model: a hole on a face whose largest circle is no larger (radius) is filled from its edges;
# python -m study.routes measures it
SLENDER = 6.0  # pixels of the model: up to this radius the mean of the model's fill and the edges' is better than each
THIN_APART = 8.0  # pixels of the picture: likewise, where there is no face
SPECK = 3.0  # pixels: no small face is looked for at holes of up to this radius
MOST = 0.5  # a hole that lies in crops of faces by this share is theirs as a whole
BORDER = 1 / 8  # of its side, that a crop moved to a hole's outer part shows around it

Kind = Literal["aligned", "face", "beyond", "none"]


@dataclass(frozen=True)
class Patch:
    """A part of a picture for the model.

    matrix: (2, 3), picture -> patch; size: side of the patch, pixels; box: (x0, y0, x1, y1) of its hole in the picture;
    hole: uint8 (y1 - y0, x1 - x0), the hole pixels that this patch restores; kind: ``aligned`` (the picture is itself
    an aligned face), ``face`` (aligned by landmarks), ``beyond`` (what a face's hole has outside the face's crop),
    ``none`` (no face there: the hole's surroundings); score: the detector's for the face, 0 without one.
    """

    matrix: np.ndarray
    size: int
    box: tuple[int, int, int, int]
    hole: np.ndarray
    kind: Kind
    score: float = 0.0

    @property
    def scale(self) -> float:
        """Pixels of the patch in one of the picture."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def slender(self) -> tuple[Holes, np.ndarray]:
        """The holes of the patch, from one pixel before its box's corner, and which are slender, bool (n,)."""
        holes = Holes.of(np.pad(self.hole, 1))
        return holes, (holes.radius * self.scale <= SLENDER) & (self.kind != "none")

    def corners(self) -> np.ndarray:
        """(4, 2) x, y in the picture of the patch's corner pixels."""
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float) * (self.size - 1)
        inverse = cv2.invertAffineTransform(self.matrix)
        return corners @ inverse[:, :2].T + inverse[:, 2]

    def footprint(self) -> tuple[int, int, int, int]:
        """Box x0, y0, x1, y1 of what the patch and its hole show of the picture, and beyond it."""
        corners = self.corners()
        x0, y0 = np.floor(np.minimum(corners.min(0), self.box[:2])).astype(int)
        x1, y1 = np.ceil(np.maximum(corners.max(0) + 1, self.box[2:])).astype(int)
        return int(x0), int(y0), int(x1), int(y1)

    def moved(self, left: int, top: int) -> Patch:
        """The patch in a part of its picture that begins at (left, top)."""
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ [left, top]
        x0, y0, x1, y1 = self.box
        return replace(self, matrix=matrix, box=(x0 - left, y0 - top, x1 - left, y1 - top))


@dataclass(frozen=True, kw_only=True)
class Routes:
    """What becomes of the holes of a picture: each hole pixel is in one patch, or filled from the edges.

    patches: for the model, faces first; thin_y, thin_x: (P,) int32, pixels to fill from the edges, row by row, and
    thin_radius: (P,) float32, their hole's; thin, thin_apart: how many holes these are, on a face and without one;
    faces: those with a hole.
    """

    patches: list[Patch] = field(default_factory=list)
    thin_y: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    thin_x: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    thin_radius: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    thin: int = 0
    thin_apart: int = 0
    faces: int = 0


def route(
    picture: np.ndarray,
    mask: np.ndarray,
    size: int,
    alignment: Alignment | None = None,
    thin: float = THIN,
    small: np.ndarray | None = None,
) -> Routes:
    """Routes for all holes; none for an empty mask.

    picture uint8 RGB (H, W, 3); mask uint8 (H, W), 1 in the hole; ``size``: the model's picture; ``small``: the picture
    as :func:`~faceinpaint.data.search.find_faces` takes it. Thin holes (``thin``,
    THIN_APART) are filled from their edges. Of the others, the pixels inside a face's crop go to that face (the surest,
    where crops overlap); what such a hole has outside every crop follows on a crop moved there, unless it is the larger
    part; other holes go with their surroundings. A picture that is itself an aligned face goes whole.
    """
    holes = Holes.of(mask)
    if not len(holes):
        return Routes()
    height, width = mask.shape
    if (height, width) == (size, size) and size < TAKEN_AS_IT_IS:
        faces: list[Face] = []
    else:
        faces = find_faces(picture, mask, holes, SPECK, small)
    matrices = [align(face, size, alignment or alignment_of(size)) for face in faces]
    pairs = list(zip(matrices, [face.score for face in faces], strict=True))
    whole = [score for matrix, score in pairs if _is_whole_picture(matrix, height, width, size)]
    exact = (height, width) == (size, size) and not (faces and faces[0].score >= SURE)
    if whole or exact:
        matrix = np.array([[size / width, 0, size / width / 2 - 0.5], [0, size / height, size / height / 2 - 0.5]])
        return _shared_out(holes, size, [(matrix, max(whole, default=0.0))], "aligned", thin)
    return _shared_out(holes, size, pairs, "face", thin)


def cut(picture: np.ndarray, mask: np.ndarray, patch: Patch) -> tuple[np.ndarray, np.ndarray]:
    """The patch of a picture, uint8 (size, size, 3), and of its whole mask, uint8 (size, size).

    Shrinking averages; beyond the picture's edge it is mirrored. A mask pixel is hole if any pixel under it is.
    """
    touched = _warp(mask, patch, levels=255)
    return _warp(picture, patch), (touched > 0).astype(np.uint8)


def _shared_out(holes: Holes, size: int, crops: list[tuple[np.ndarray, float]], kind: Kind, least: float) -> Routes:
    """Routes for known crops of faces, (matrix, score), surest first. ``least``: radius of a hole for a model."""
    owner = _owners(holes, size, [matrix for matrix, _ in crops])
    tally = np.zeros((len(holes), len(crops) + 1), int)  # pixels of each hole without an owner, and by owner
    np.add.at(tally, (holes.label, owner + 1), 1)
    best = tally[:, 1:].argmax(1) if crops else np.zeros(len(holes), int)
    share = 1 - tally[:, 0] / tally.sum(1)
    scales = np.array([np.sqrt(abs(np.linalg.det(matrix[:, :2]))) for matrix, _ in crops] or [1.0])
    fine, small = holes.radius * scales[best] <= least, holes.radius <= THIN_APART
    thin = np.where(share >= MOST, fine, small & (fine | (share == 0)))
    wide = ~thin[holes.label]
    patches = []
    for i, (matrix, score) in enumerate(crops):
        inside = wide & (owner == i)
        if inside.any():
            patches.append(Patch(matrix, size, *holes.mask(inside), kind, score))
    reaching = wide & (owner < 0) & (share >= MOST)[holes.label]
    edges = ~wide
    for i, (matrix, score) in enumerate(crops):
        chosen = reaching & (best[holes.label] == i)
        if chosen.any():
            box, part = holes.mask(chosen)
            if cv2.distanceTransform(np.pad(part, 1), cv2.DIST_L2, 3).max() * scales[i] <= least:
                edges |= chosen
            else:
                patches.append(Patch(_moved(matrix, box, size), size, box, part, "beyond", score))
    patches += _surroundings(holes, wide & (owner < 0) & ~reaching, size)
    return Routes(
        patches=patches,
        thin_y=holes.y[edges].astype(np.int32),
        thin_x=holes.x[edges].astype(np.int32),
        thin_radius=np.where(thin, holes.radius, least / scales[best])[holes.label[edges]].astype(np.float32),
        thin=int((thin & (share >= MOST)).sum()),
        thin_apart=int((thin & (share < MOST)).sum()),
        faces=len(np.unique(owner[owner >= 0])),
    )


def _owners(holes: Holes, size: int, matrices: list[np.ndarray]) -> np.ndarray:
    """(P,): the first crop that each hole pixel lies in, -1 for none."""
    owner = np.full(len(holes.y), -1)
    for i, matrix in enumerate(matrices):
        free = np.flatnonzero(owner < 0)
        u, v = (matrix[k, 0] * holes.x[free] + matrix[k, 1] * holes.y[free] + matrix[k, 2] for k in (0, 1))
        owner[free[(np.minimum(u, v) >= -0.5) & (np.maximum(u, v) <= size - 0.5)]] = i
    return owner


def _moved(matrix: np.ndarray, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    """``matrix`` moved no further than to show ``box`` with a border, and made smaller if it is too large for that."""
    x0, y0, x1, y1 = box
    corners = np.array([[x0, y0], [x1 - 1, y0], [x1 - 1, y1 - 1], [x0, y1 - 1]]) @ matrix[:, :2].T + matrix[:, 2]
    room = size * (1 - 2 * BORDER)
    shrink = min(1.0, room / max(1.0, float(np.ptp(corners, axis=0).max())))
    moved = matrix * shrink
    corners = corners * shrink
    moved[:, 2] -= np.maximum(0, corners.max(0) - size * (1 - BORDER)) + np.minimum(0, corners.min(0) - size * BORDER)
    return moved


def _is_whole_picture(matrix: np.ndarray, height: int, width: int, size: int) -> bool:
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ matrix[:, :2].T + matrix[:, 2]
    wanted = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    return bool(np.abs(corners - wanted).max() <= ALIGNED_WITHIN * size)


def _surroundings(holes: Holes, chosen: np.ndarray, size: int) -> list[Patch]:
    """One square patch about each hole, of its pixels that are ``chosen``."""
    patches = []
    order = np.flatnonzero(chosen)
    order = order[np.argsort(holes.label[order], kind="stable")]
    starts = np.flatnonzero(np.diff(holes.label[order], prepend=-1))
    for pixels in np.split(order, starts[1:]) if len(order) else []:
        box, hole = holes.mask(pixels)
        x0, y0, x1, y1 = box
        side = max(size, SURROUNDINGS * max(x1 - x0, y1 - y0))
        scale = size / side
        middle = np.array([x0 + (x1 - x0 - 1) / 2, y0 + (y1 - y0 - 1) / 2])
        offset = (size - 1) / 2 - scale * middle
        matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        patches.append(Patch(matrix, size, box, hole, "none"))
    return patches


def _warp(picture: np.ndarray, patch: Patch, levels: int = 1) -> np.ndarray:
    """uint8 (H, W[, C]), times ``levels`` -> (size, size[, C]).

    Shrinks by whole factors with averaging first, against aliasing.
    """
    if picture.shape[:2] == (patch.size, patch.size) and patch.kind == "aligned":
        return picture * np.uint8(levels)
    picture, matrix = _around(picture, patch)
    picture = picture * np.uint8(levels) if levels > 1 else picture
    factor = int(1 / patch.scale)
    if factor > 1:
        height, width = (side - side % factor or factor for side in picture.shape[:2])
        rows, columns = height // factor, width // factor
        picture = cv2.resize(picture[:height, :width], (columns, rows), interpolation=cv2.INTER_AREA)
        matrix[:, 2] += matrix[:, :2].sum(1) * (factor - 1) / 2  # small pixel 0 is centred there
        matrix[:, :2] *= factor
    return cv2.warpAffine(
        picture, matrix, (patch.size, patch.size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def _around(picture: np.ndarray, patch: Patch) -> tuple[np.ndarray, np.ndarray]:
    """The part of a picture that the patch shows, so that its cost is the patch's, and the matrix from there.

    The part's corner lies on a multiple of the factor that it is shrunk by; where the patch reaches beyond the
    picture, the part is large enough to be mirrored.
    """
    height, width = picture.shape[:2]
    corners = patch.corners()
    factor = max(1, int(1 / patch.scale))
    over = max(0.0, float((-corners).max()), float((corners - [width - 1, height - 1]).max()))
    margin = over + 3 * factor
    low = np.maximum(0, np.floor((corners.min(0) - margin) / factor)).astype(int) * factor
    high = np.minimum([width, height], np.ceil((corners.max(0) + margin) / factor + 1).astype(int) * factor)
    low = np.minimum(low, np.maximum(0, (np.array([width, height]) - 1) // factor * factor))
    matrix = patch.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ low
    return picture[low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)], matrix
