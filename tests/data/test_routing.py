"""Holes find their faces, patches land where they came from, and nothing outside a hole moves."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from faceinpaint.data import routing
from faceinpaint.data.faces import ALIGNMENTS, Face, align, find_faces
from faceinpaint.data.routing import cut, paste, route

EYES_AND_NOSE = (slice(85, 120), slice(200, 245))  # in the astronaut's picture


def hole_at(rows: slice, columns: slice, shape=(512, 512)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[rows, columns] = 1
    return mask


def covered(patches, shape) -> np.ndarray:
    total = np.zeros(shape, np.uint8)
    for patch in patches:
        x0, y0, x1, y1 = patch.box
        total[y0:y1, x0:x1] += patch.hole
    return total


def test_alignment_takes_landmarks_to_the_template():
    turn = np.deg2rad(20)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = ALIGNMENTS["ffhq"] * 100 @ rotation.T + [300, 40]
    matrix = align(Face(landmarks, 1.0), 256, "ffhq")
    assert np.allclose(landmarks @ matrix[:, :2].T + matrix[:, 2], ALIGNMENTS["ffhq"] * 256)


@pytest.mark.parametrize("size", [64, 256])
def test_a_hole_on_a_face_is_aligned_to_the_model(size):
    picture, mask = astronaut(), hole_at(*EYES_AND_NOSE)
    (patch,) = route(picture, mask, size)
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
    assert [patch.kind for patch in route(picture, mask, 64)] == ["face"]


def test_holes_with_and_without_faces_share_a_picture():
    two = np.concatenate([astronaut(), astronaut()[:, ::-1]], axis=1)
    mask = hole_at(*EYES_AND_NOSE) | hole_at(slice(400, 440), slice(20, 60))
    mask = np.concatenate([mask, hole_at(*EYES_AND_NOSE)[:, ::-1]], axis=1)
    patches = route(two, mask, 64)
    assert [patch.kind for patch in patches] == ["face", "face", "none"]
    assert np.array_equal(covered(patches, mask.shape), mask)


def test_a_hole_larger_than_the_face_is_shared_out_without_rest():
    mask = hole_at(slice(60, 400), slice(180, 260))
    patches = route(astronaut(), mask, 64)
    assert {patch.kind for patch in patches} == {"face", "none"}
    assert np.array_equal(covered(patches, mask.shape), mask)


def test_no_face_and_no_hole():
    noise = np.random.default_rng(0).integers(0, 255, (100, 150, 3), np.uint8)
    assert route(noise, hole_at(slice(0, 0), slice(0, 0), (100, 150)), 64) == []
    assert [patch.kind for patch in route(noise, hole_at(slice(10, 30), slice(90, 150), (100, 150)), 64)] == ["none"]


def test_aligned_pictures_go_straight_through():
    picture, mask = astronaut(), hole_at(*EYES_AND_NOSE)
    crop, hole = cut(picture, mask, route(picture, mask, 256)[0])
    assert [patch.kind for patch in route(crop, hole, 256)] == ["aligned"]  # the model's own size
    large = cv2.resize(crop, (512, 512), interpolation=cv2.INTER_CUBIC)
    (patch,) = route(large, hole.repeat(2, 0).repeat(2, 1), 256)
    assert patch.kind == "aligned"
    same, _ = cut(crop, hole, route(crop, hole, 256)[0])
    assert np.array_equal(same, crop)


@pytest.mark.parametrize("feather", [None, 0, 5])
def test_pasting_touches_the_hole_alone(feather):
    picture, mask = astronaut(), hole_at(*EYES_AND_NOSE)
    (patch,) = route(picture, mask, 64)
    result = paste(picture, np.full((64, 64, 3), 255, np.uint8), patch, mask, feather)
    assert np.array_equal(result[mask == 0], picture[mask == 0])
    assert not np.array_equal(result[mask > 0], picture[mask > 0])


@pytest.mark.parametrize("size", [64, 256])
def test_cut_and_paste_meet_the_picture_again(size):
    """The patch goes back to the very place it came from: on a smooth picture the round trip is near the identity."""
    smooth = cv2.GaussianBlur(astronaut(), (0, 0), 4)
    mask = hole_at(*EYES_AND_NOSE)
    (patch,) = route(astronaut(), mask, size)
    back = paste(smooth, cut(smooth, mask, patch)[0], patch, mask, 0)
    assert np.abs(back.astype(int) - smooth)[mask > 0].mean() < 1.5


def test_a_feather_hides_a_shift_of_colour():
    flat = np.full((200, 200, 3), 100, np.uint8)
    mask = hole_at(slice(60, 140), slice(60, 140), (200, 200))
    patch = routing._surroundings(mask, 64)[0]
    lighter = np.full((64, 64, 3), 120, np.uint8)
    hard, soft = (paste(flat, lighter, patch, mask, feather)[100, 60:101, 0].astype(int) for feather in (0, 10))
    assert hard[0] == 120
    assert abs(soft[0] - 100) <= 3
    assert np.abs(np.diff(soft)).max() <= 4
    assert soft[-1] == 120


def test_damage_of_another_patch_does_not_bleed_in():
    picture = np.full((200, 200, 3), 100, np.uint8)
    mask = hole_at(slice(60, 140), slice(60, 140), (200, 200))
    picture[mask > 0] = (0, 255, 0)  # a marker
    left = mask.copy()
    left[:, 100:] = 0
    (patch,) = routing._surroundings(left, 64)
    result = paste(picture, np.full((64, 64, 3), 100, np.uint8), patch, mask)
    assert (result[left > 0] == 100).all()
