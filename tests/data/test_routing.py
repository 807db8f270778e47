"""Holes find their faces and the way they are filled, and a patch shows what lies there."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from faceinpaint.data.faces import ALIGNMENTS, Face, align
from faceinpaint.data.routing import Routes, cut, route
from faceinpaint.data.search import find_faces

EYES_AND_NOSE = (slice(85, 120), slice(200, 245))  # in the astronaut's picture


def hole_at(rows: slice, columns: slice, shape=(512, 512)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[rows, columns] = 1
    return mask


def covered(routes: Routes, shape) -> np.ndarray:
    total = np.zeros(shape, np.uint8)
    for patch in routes.patches:
        x0, y0, x1, y1 = patch.box
        total[y0:y1, x0:x1] += patch.hole
    np.add.at(total, (routes.thin_y, routes.thin_x), 1)
    return total


def kinds(routes: Routes) -> list[str]:
    return [patch.kind for patch in routes.patches]


def test_alignment_takes_landmarks_to_the_template():
    turn = np.deg2rad(20)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = ALIGNMENTS["ffhq"] * 100 @ rotation.T + [300, 40]
    matrix = align(Face(landmarks, 1.0), 256, "ffhq")
    assert np.allclose(landmarks @ matrix[:, :2].T + matrix[:, 2], ALIGNMENTS["ffhq"] * 256)


@pytest.mark.parametrize("size", [64, 256])
def test_a_hole_on_a_face_is_aligned_to_the_model(size):
    picture, mask = astronaut(), hole_at(*EYES_AND_NOSE)
    (patch,) = route(picture, mask, size).patches
    assert patch.kind == "face"
    crop, hole = cut(picture, mask, patch)
    assert crop.shape == (size, size, 3)
    assert hole.shape == (size, size)
    (face,) = find_faces(crop, np.zeros_like(hole))[:1]
    template = ALIGNMENTS["celeba" if size == 64 else "ffhq"] * size
    assert np.abs(face.landmarks - template).max() < 0.12 * size


def test_a_painted_over_face_is_still_found():
    picture, mask = astronaut(), hole_at(slice(80, 125), slice(190, 260))
    picture[mask > 0] = (0, 255, 0)
    assert kinds(route(picture, mask, 64)) == ["face"]


def test_holes_with_and_without_faces_share_a_picture():
    two = np.concatenate([astronaut(), astronaut()[:, ::-1]], axis=1)
    mask = hole_at(*EYES_AND_NOSE) | hole_at(slice(400, 440), slice(20, 60))
    mask = np.concatenate([mask, hole_at(*EYES_AND_NOSE)[:, ::-1]], axis=1)
    routes = route(two, mask, 64)
    assert kinds(routes) == ["face", "face", "none"]
    assert routes.faces == 2
    assert np.array_equal(covered(routes, mask.shape), mask)


def test_a_hole_larger_than_the_face_is_shared_out_without_rest():
    mask = hole_at(slice(60, 400), slice(180, 260))
    routes = route(astronaut(), mask, 64)
    assert set(kinds(routes)) == {"face", "none"}
    assert np.array_equal(covered(routes, mask.shape), mask)


def test_a_hole_that_reaches_a_little_beyond_the_crop_is_one_hole():
    """Nose, mouth, chin and neck: what the face's crop does not show goes on a crop moved there."""
    mask = hole_at(slice(100, 190), slice(200, 245))
    routes = route(astronaut(), mask, 64)
    assert kinds(routes) == ["face", "beyond"]
    assert routes.faces == 1
    assert np.array_equal(covered(routes, mask.shape), mask)
    face, beyond = routes.patches
    assert np.allclose(face.matrix[:, :2], beyond.matrix[:, :2])  # as large, and the same way up
    assert cut(astronaut(), mask, beyond)[1].any(1).sum() > 20
    x0, y0, x1, y1 = beyond.box
    corners = np.array([[x0, y0], [x1 - 1, y1 - 1]]) @ beyond.matrix[:, :2].T + beyond.matrix[:, 2]
    assert corners.min() > 0
    assert corners.max() < 63


@pytest.mark.parametrize(("turn", "shrink"), [(1, 1), (2, 1), (3, 1), (1, 2)])
def test_a_face_that_lies_is_restored_as_it_lies(turn, shrink):
    """The crop of a turned picture is, but for the detector's error, that of the picture itself."""
    picture, mask = astronaut(), hole_at(slice(85, 120), slice(200, 222))
    picture = cv2.resize(picture, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    mask = np.ascontiguousarray(mask[::shrink, ::shrink])
    side = len(mask)
    turned, turned_mask = (np.ascontiguousarray(np.rot90(x, turn)) for x in (picture, mask))
    upright, lying = (route(p, m, 64).patches[0] for p, m in ((picture, mask), (turned, turned_mask)))
    assert upright.kind == lying.kind == "face"
    corners = np.array([[0, 0], [63, 0], [63, 63], [0, 63]])
    inverse = cv2.invertAffineTransform(lying.matrix)
    x, y = (corners @ inverse[:, :2].T + inverse[:, 2]).T
    for _ in range(turn):
        x, y = side - 1 - y, x
    back = np.stack([x, y], 1) @ upright.matrix[:, :2].T + upright.matrix[:, 2]
    assert np.abs(back - corners).max() < 8


def test_a_small_face_in_a_large_picture_is_found_by_its_hole():
    face = cv2.resize(astronaut()[20:220, 120:320], (50, 50), interpolation=cv2.INTER_AREA)
    picture = np.full((1500, 2000, 3), 110, np.uint8)
    picture[900:950, 1700:1750] = face
    mask = hole_at(slice(917, 926), slice(1719, 1726), picture.shape[:2])
    picture[mask > 0] = 255
    routes = route(picture, mask, 64)
    assert kinds(routes) == ["face"]
    assert find_faces(picture, np.zeros_like(mask)) == []  # nothing asks for it


def test_thin_holes_are_filled_from_their_edges():
    """Thin at the model's scale on a face, thin in the picture elsewhere; a thick one in the same picture is not."""
    picture = cv2.resize(astronaut(), (1536, 1536), interpolation=cv2.INTER_CUBIC)
    scratch = hole_at(slice(260, 380), slice(660, 668), (1536, 1536))
    speck = hole_at(slice(1400, 1406), slice(100, 106), (1536, 1536))
    thick = hole_at(slice(1200, 1260), slice(100, 160), (1536, 1536))
    routes = route(picture, scratch | speck | thick, 64)
    assert kinds(routes) == ["none"]
    assert (routes.thin, routes.thin_apart) == (1, 1)
    assert np.array_equal(covered(routes, (1536, 1536)), scratch | speck | thick)
    assert kinds(route(astronaut(), hole_at(slice(90, 120), slice(215, 223)), 256)) == ["face"]  # a crop of 2.4 times


@pytest.mark.parametrize("beyond", range(-4, 5))
def test_a_speck_on_the_crops_border_is_thin_as_a_whole(beyond):
    """Whatever part of it the crop shows: no piece of four pixels goes to the model, or to Telea's method."""
    picture = cv2.resize(astronaut(), (1024, 1024), interpolation=cv2.INTER_CUBIC)
    (face,) = find_faces(picture, hole_at(slice(0, 0), slice(0, 0), (1024, 1024)))
    inverse = cv2.invertAffineTransform(align(face, 64, "celeba"))
    x, y = inverse[:, :2] @ [63.5, 40] + inverse[:, 2]  # on the crop's right border
    left = round(x) + beyond
    speck = hole_at(slice(round(y), round(y) + 4), slice(left, left + 4), (1024, 1024))
    routes = route(picture, speck, 64)
    assert routes.patches == []
    assert routes.thin + routes.thin_apart == 1
    assert np.array_equal(covered(routes, speck.shape), speck)


def test_a_single_scratch_along_the_axes_is_thin():
    """Its own box is all hole; the valid pixels beside it count."""
    picture = cv2.resize(astronaut(), (1024, 1024), interpolation=cv2.INTER_CUBIC)
    routes = route(picture, hole_at(slice(170, 250), slice(440, 446), (1024, 1024)), 64)
    assert routes.patches == []
    assert routes.thin == 1
    assert len(routes.thin_y) == 80 * 6
    assert routes.thin_radius[0] == pytest.approx(3, abs=0.5)


def test_no_face_and_no_hole():
    noise = np.random.default_rng(0).integers(0, 255, (100, 150, 3), np.uint8)
    nothing = route(noise, hole_at(slice(0, 0), slice(0, 0), (100, 150)), 64)
    assert nothing.patches == []
    assert not len(nothing.thin_y)
    assert kinds(route(noise, hole_at(slice(10, 30), slice(90, 150), (100, 150)), 64)) == ["none"]


def test_aligned_pictures_go_straight_through():
    picture, mask = astronaut(), hole_at(*EYES_AND_NOSE)
    crop, hole = cut(picture, mask, route(picture, mask, 256).patches[0])
    assert kinds(route(crop, hole, 256)) == ["aligned"]  # the model's own size
    large = cv2.resize(crop, (512, 512), interpolation=cv2.INTER_CUBIC)
    assert kinds(route(large, hole.repeat(2, 0).repeat(2, 1), 256)) == ["aligned"]
    same, _ = cut(crop, hole, route(crop, hole, 256).patches[0])
    assert np.array_equal(same, crop)


def test_a_picture_of_the_models_size_that_is_no_aligned_face_is_not_taken_for_one():
    picture = np.ascontiguousarray(np.rot90(astronaut()[:256, 90:346]))
    mask = np.ascontiguousarray(np.rot90(hole_at(*EYES_AND_NOSE)[:256, 90:346]))
    (patch,) = route(picture, mask, 256).patches
    assert patch.kind == "face"
    assert find_faces(cut(picture, mask, patch)[0], mask * 0)[0].landmarks[0, 1] < 128  # upright: eyes are above


def test_a_crop_costs_what_it_shows_and_is_that_of_the_whole_picture():
    """Cut from a small piece or from the whole of a large picture, the crop is the same."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (900, 1200, 3), np.uint8), (0, 0), 2)
    mask = hole_at(slice(400, 460), slice(700, 790), (900, 1200))
    (patch,) = route(picture, mask, 64).patches
    crop, hole = cut(picture, mask, patch)
    whole = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert patch.scale == pytest.approx(64 / 180)
    matrix = patch.matrix.copy()
    matrix[:, 2] += matrix[:, :2].sum(1) / 2
    matrix[:, :2] *= 2
    assert np.abs(cv2.warpAffine(whole, matrix, (64, 64)).astype(int) - crop).max() <= 1
    assert 0.16 < hole.mean() < 0.19  # 60 x 90 of 180 x 180, and pixels touched
