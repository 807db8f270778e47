"""An eye that is lost, taken from its twin: the other eye, mirrored, where the model's own paint says that it fits.

Faces are nearly symmetric, and what the photograph itself shows of an eye is sharper and more the person's than what a
model invents (symmetry as in SymmFCNet, Li 2018, but without a network). The model's paint says where lids, brow and
iris belong: the mirrored eye is moved onto it by the enhanced correlation coefficient (Evangelidis 2008), and is taken
if it is like it. Where eyes differ, as in a turned face or with hair over one, it is not, and the paint stays.

``python -m study.eyes`` measures it and the constants here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np

from faceinpaint.data.faces import ALIGNMENTS, Alignment, Face, detect_in_crop
from faceinpaint.data.routing import Patch
from faceinpaint.inference.harmonic import harmonic

# In distances between the eyes:
ACROSS, DOWN = 0.40, 0.30  # half sides of what is taken, eyelids and brow
RAISED = 0.06  # its centre over the pupil's
IRIS = 0.14  # radius
FAR = 0.25  # a corner of what is taken is moved no further from where landmarks say
TURNED = 0.2  # a nose further from the middle of the eyes belongs to a turned face
LOST = 0.6  # of the iris, that is hole
MAYBE = 0.3  # the same where the landmarks are only guessed
SURE = 0.7  # of the detector, on the painted face
LIKE = 0.75  # correlation of the mirrored eye with the paint
SMOOTH = 1 / 128  # of the crop's side: finer than this they are not compared
STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 80, 1e-4)
ECC_BLUR = 5  # pixels
SWAPPED = [1, 0, 2, 4, 3]  # landmarks of a mirrored face
MARGIN = 2  # pixels around what is taken, that its edge has to meet


@dataclass(frozen=True)
class Twin:
    """An eye of a patch that is to come from the other one.

    source: (2, 3), takes a point (x, y) of the patch to the one whose pixel it gets; centre (2,), axes (2,) and
    direction (2,), of unit length, along the first axis: an ellipse in the patch; likeness: to the paint, from LIKE on.
    """

    source: np.ndarray
    centre: np.ndarray
    axes: np.ndarray
    direction: np.ndarray
    likeness: float

    def holds(self, x: np.ndarray, y: np.ndarray, larger: float = 1.0) -> np.ndarray:
        """Whether points of the patch lie in the ellipse, or in one that many times as large."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        along, across = dx * self.direction[0] + dy * self.direction[1], dy * self.direction[0] - dx * self.direction[1]
        return (along / self.axes[0]) ** 2 + (across / self.axes[1]) ** 2 <= larger**2


def find_twins(
    crop: np.ndarray, hole: np.ndarray, painted: np.ndarray, alignment: Alignment, least: float = LIKE
) -> list[Twin]:
    """The eyes of a face's crop that were lost and are like the other one.

    crop, painted: uint8 (S, S, 3), before and after the model; hole: uint8 (S, S), 1 inside; least: the likeness that
    is enough.
    """
    guess = Face(ALIGNMENTS[alignment] * len(hole), 1.0)
    if not any(_is_lost(hole, guess, eye, MAYBE) for eye in (0, 1)):
        return []
    face = max(detect_in_crop(painted), key=lambda face: face.score, default=None)
    if face is None or face.score < SURE or _turned(face) > TURNED:
        return []
    twins = [_twin(crop, hole, painted, face, eye) for eye in (0, 1) if _is_lost(hole, face, eye, LOST)]
    return [twin for twin in twins if twin is not None and twin.likeness >= least]


def mirror_eyes(picture: np.ndarray, patch: Patch, twins: list[Twin], before: np.ndarray, damage: np.ndarray) -> None:
    """Put the ``twins`` of a patch into its hole, in place and at the picture's own resolution.

    picture, before: uint8 (H, W, 3), filled and as it came; damage: uint8 (H, W), 1 where it was not valid. What is
    added meets the picture around it, as in Poisson's blending (Perez 2003).
    """
    to_patch = np.vstack([patch.matrix, [0, 0, 1]])
    to_picture = np.linalg.inv(to_patch)
    for twin in twins:
        area = _around(twin, to_picture, picture.shape)
        columns, rows = np.meshgrid(np.arange(area[1].start, area[1].stop), np.arange(area[0].start, area[0].stop))
        x, y = (row[0] * columns + row[1] * rows + row[2] for row in to_patch[:2])
        source = (to_picture @ np.vstack([twin.source, [0, 0, 1]]) @ to_patch)[:2]
        source[:, 2] += source[:, :2] @ [area[1].start, area[0].start]
        mirrored, valid = _sampled(before, damage, source, columns.shape)
        hole = np.zeros(picture.shape[:2], bool)
        hole[patch.box[1] : patch.box[3], patch.box[0] : patch.box[2]] = patch.hole > 0
        taken = hole[area] & valid & twin.holds(x, y)
        seen = picture[area].astype(np.float32)
        mirrored += harmonic(seen - mirrored, ~taken)
        picture[area][taken] = np.clip(np.rint(mirrored), 0, 255).astype(np.uint8)[taken]


def _is_lost(hole: np.ndarray, face: Face, eye: int, least: float) -> bool:
    """Whether at least that share of an iris is hole."""
    (x, y), radius = face.landmarks[eye], IRIS * face.apart
    rows, columns = np.ogrid[: len(hole), : len(hole)]
    iris = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return bool(iris.any() and hole[iris].mean() >= least)


def _turned(face: Face) -> float:
    """How far the nose is from the middle of the eyes, along their line, in distances between them."""
    left, right, nose = face.landmarks[:3]
    return float(abs((nose - (left + right) / 2) @ (right - left)) / face.apart**2)


def _twin(crop: np.ndarray, hole: np.ndarray, painted: np.ndarray, face: Face, eye: int) -> Twin | None:
    """The lost ``eye``, moved onto the paint as well as can be; None where the other one does not show."""
    left, right = face.landmarks[:2]
    direction = (right - left) / face.apart
    up = np.array([direction[1], -direction[0]])
    centre = face.landmarks[eye] + RAISED * face.apart * up
    axes = np.array([ACROSS, DOWN]) * face.apart
    twin = Twin(_mirror(face), centre, axes, direction, 0.0)
    if _is_lost(hole, face, 1 - eye, np.finfo(float).tiny):
        return None
    return _fitted(twin, crop, hole, painted, FAR * face.apart)


def _mirror(face: Face) -> np.ndarray:
    """(2, 3): the affine map of least squares that takes each landmark to its mirrored twin's place."""
    points = np.column_stack([face.landmarks, np.ones(5)])
    return np.linalg.lstsq(points, face.landmarks[SWAPPED], rcond=None)[0].T


def _fitted(twin: Twin, crop: np.ndarray, hole: np.ndarray, painted: np.ndarray, far: float) -> Twin:
    """The twin moved to where it is most like the paint: first only shifted, then by any affine map nearby."""
    reach = 1.25 * twin.axes.max()
    x0, y0 = np.maximum(0, np.floor(twin.centre - reach)).astype(int)
    x1, y1 = np.minimum(len(hole), np.ceil(twin.centre + reach)).astype(int)
    columns, rows = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
    near = twin.holds(columns, rows, 1.25)
    wanted = cv2.cvtColor(painted[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    sigma = SMOOTH * len(hole)

    def likeness(source: np.ndarray) -> float:
        mirrored, valid = _sampled(crop, hole, source, wanted.shape)
        shown = near & valid
        grey = cv2.cvtColor(mirrored, cv2.COLOR_RGB2GRAY)
        a, b = (cv2.GaussianBlur(each.astype(np.float32), (0, 0), sigma)[shown] for each in (grey, wanted))
        return float(np.corrcoef(a, b)[0, 1]) if shown.mean() > MAYBE and a.std() and b.std() else -1.0

    first = twin.source.copy()
    first[:, 2] += first[:, :2] @ [x0, y0]
    best, most = first, likeness(first)
    corners = np.array([[0, 0, 1], [x1 - x0, 0, 1], [0, y1 - y0, 1], [x1 - x0, y1 - y0, 1]])
    for moved in (_shifted, _bent):
        with suppress(cv2.error):  # it has not converged
            source = moved(best, wanted, crop, hole)
            found = likeness(source)
            if found > most and np.abs(corners @ (source - first).T).max() < far:
                best, most = source, found
    back = best.copy()
    back[:, 2] -= best[:, :2] @ [x0, y0]
    return Twin(back, twin.centre, twin.axes, twin.direction, most)


def _shifted(source: np.ndarray, wanted: np.ndarray, crop: np.ndarray, hole: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(_sampled(crop, hole, source, wanted.shape)[0], cv2.COLOR_RGB2GRAY)
    start = np.eye(2, 3, dtype=np.float32)
    grey = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    everywhere = np.ones_like(grey)
    _, shift = cv2.findTransformECC(wanted, grey, start, cv2.MOTION_TRANSLATION, STEPS, everywhere, ECC_BLUR)
    moved = source.copy()
    moved[:, 2] += source[:, :2] @ shift[:, 2]
    return moved


def _bent(source: np.ndarray, wanted: np.ndarray, crop: np.ndarray, hole: np.ndarray) -> np.ndarray:
    grey, valid = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (hole == 0).astype(np.uint8)
    start = source.astype(np.float32)
    _, moved = cv2.findTransformECC(wanted, grey, start, cv2.MOTION_AFFINE, STEPS, valid, ECC_BLUR)
    return moved.astype(float)


def _sampled(
    picture: np.ndarray, damage: np.ndarray, source: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """float32 (h, w, 3): the picture at the points that ``source`` takes (x, y) to; and bool (h, w): they are valid."""
    matrix, size = source.astype(np.float64), shape[1::-1]
    flags, border = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    taken = cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=border).astype(np.float32)
    valid = (damage == 0).astype(np.uint8)
    whole = cv2.warpAffine(valid, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return taken, cv2.erode(whole, np.ones((3, 3), np.uint8)) > 0


def _around(twin: Twin, to_picture: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the picture that hold a twin's ellipse and a margin."""
    reach = twin.axes.max()
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * reach + twin.centre
    places = corners @ to_picture[:2, :2].T + to_picture[:2, 2]
    low = np.maximum(0, np.floor(places.min(0)).astype(int) - MARGIN)
    high = np.minimum(shape[1::-1], np.ceil(places.max(0)).astype(int) + MARGIN + 1)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
