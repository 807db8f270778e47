"""A lost eye is taken from its twin where it fits, and only there."""

import cv2
import numpy as np
import pytest
import skimage.data

from faceinpaint.data.faces import align, detect
from faceinpaint.data.routing import Patch, cut
from faceinpaint.inference.compose import Plan, compose
from faceinpaint.inference.symmetry import LIKE, find_twins, mirror_eyes

SIDE = 256
EYE, BOTH = (slice(96, 140), slice(70, 122)), (slice(96, 140), slice(60, 200))


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """The astronaut's aligned face, uint8 (S, S, 3), of which the right half mirrors the left one."""
    picture = skimage.data.astronaut()
    (found,) = detect(picture)
    crop = cv2.warpAffine(picture, align(found, SIDE, "ffhq"), (SIDE, SIDE), flags=cv2.INTER_CUBIC)
    return np.concatenate([crop[:, : SIDE // 2], crop[:, SIDE // 2 - 1 :: -1]], 1)


def damaged(picture: np.ndarray, *places: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """The picture with white holes, and the mask."""
    hole = np.zeros(picture.shape[:2], np.uint8)
    for place in places:
        hole[place] = 1
    return np.where(hole[..., None] > 0, np.uint8(255), picture), hole


def smudged(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """What a weak model would paint: the truth, blurred."""
    return np.where(hole[..., None] > 0, cv2.GaussianBlur(picture, (0, 0), 4), picture)


def error(a: np.ndarray, b: np.ndarray, hole: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b)[hole > 0].mean())


def test_a_lost_eye_comes_from_its_twin(face):
    before, hole = damaged(face, EYE)
    painted = smudged(face, hole)
    (twin,) = find_twins(before, hole, painted, "ffhq")
    assert LIKE <= twin.likeness <= 1
    x, y = twin.source @ [95, 119, 1]
    assert (x, y) == pytest.approx((SIDE - 1 - 95, 119), abs=1)
    after = painted.copy()
    patch = Patch(np.eye(2, 3), SIDE, (0, 0, SIDE, SIDE), hole, "aligned")
    mirror_eyes(after, patch, [twin], before, hole)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    taken = (hole > 0) & twin.holds(columns, rows)
    assert taken.sum() > 0.5 * hole.sum()
    assert error(after, face, taken) < 0.6 * error(painted, face, taken)
    assert np.array_equal(after[~taken], painted[~taken])


def test_a_turned_photograph_gets_it_at_its_own_resolution(face):
    """Enlarged three times and turned by 30 degrees: the model sees neither, its paint is enlarged and pasted."""
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 30, 3)
    matrix[:, 2] += 300
    sharp = cv2.resize(face, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    shrunk = matrix @ np.diag([1 / 3, 1 / 3, 1])
    whole = cv2.warpAffine(sharp, shrunk, (900, 900), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    corners = np.array([[70, 96, 1], [122, 96, 1], [122, 140, 1], [70, 140, 1]]) @ matrix.T
    hole = cv2.fillConvexPoly(np.zeros((900, 900), np.uint8), np.rint(corners).astype(int), 1)
    before = np.where(hole[..., None] > 0, np.uint8(255), whole)
    x, y, width, height = cv2.boundingRect(hole)
    box = (x, y, x + width, y + height)
    patch = Patch(cv2.invertAffineTransform(matrix), SIDE, box, hole[y : y + height, x : x + width], "face")
    crop, small = cut(before, hole, patch)
    painted = smudged(face, small)
    plan = Plan(patches=[patch], crops=crop[None], holes=small[None])
    mirrored = plan.with_twins(painted[None], "ffhq")
    assert (plan.described(), mirrored.described()) == ("face 1", "face 1, mirrored-eye 1")
    plain, better = (compose(before, hole, each, painted[None]) for each in (plan, mirrored))
    assert error(better, whole, hole) < 0.7 * error(plain, whole, hole)
    assert np.array_equal(better[hole == 0], before[hole == 0])


def test_what_is_not_like_the_paint_is_not_taken(face):
    before, hole = damaged(face, EYE)
    lines = np.where(np.arange(SIDE)[None, :, None] % 24 < 12, np.uint8(30), np.uint8(220))
    painted = np.where(hole[..., None] > 0, lines, face).astype(np.uint8)
    assert find_twins(before, hole, painted, "ffhq") == []


def test_without_a_whole_eye_or_without_a_lost_one_nothing_is_taken(face):
    for places in ([BOTH], [(slice(170, 200), slice(100, 150))]):
        before, hole = damaged(face, *places)
        assert find_twins(before, hole, smudged(face, hole), "ffhq") == []
