"""Large pictures are halved before faces are looked for: the same faces, at the same places."""

import cv2
import numpy as np
import pytest
import skimage.data

from faceinpaint.data import search
from faceinpaint.data.search import HALVED, find_faces
from faceinpaint.images import box_of, halved


@pytest.mark.parametrize(("shape", "wanted"), [((20, 30), (20, 30)), ((64, 33), (32, 16)), ((131, 65), (32, 16))])
def test_pixels_are_means_of_squares(shape, wanted):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    small = halved(picture, 32)
    assert small.shape[:2] == wanted
    factor = shape[0] // wanted[0]
    inside = picture[: wanted[0] * factor, : wanted[1] * factor].astype(float)
    means = inside.reshape(wanted[0], factor, wanted[1], factor, 3).mean((1, 3))
    assert np.abs(small - means).max() <= 1  # rounded once for each halving


@pytest.mark.parametrize("size", [(2048, 2048), (2501, 3333), (4100, 3001)])
def test_faces_are_where_scaling_at_once_finds_them(size, monkeypatch):
    picture = cv2.resize(skimage.data.astronaut(), size[::-1], interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    hole = np.zeros(size, np.uint8)
    hole[size[0] // 4 : size[0] // 3, size[1] // 3 : size[1] // 2] = 1
    halves = find_faces(picture, hole)
    assert len(halved(picture, HALVED)) < size[0]
    monkeypatch.setattr(search, "HALVED", max(size))
    at_once = find_faces(picture, hole)
    assert len(halves) == len(at_once) == 1
    off = np.linalg.norm(halves[0].landmarks - at_once[0].landmarks, axis=1)
    assert off.max() < 0.03 * at_once[0].height
    assert halves[0].score == pytest.approx(at_once[0].score, abs=0.02)


def test_the_halved_picture_may_be_at_hand(monkeypatch):
    picture = cv2.resize(skimage.data.astronaut(), (2100, 2100), interpolation=cv2.INTER_CUBIC)
    hole = np.zeros(picture.shape[:2], np.uint8)
    small = halved(picture, HALVED)
    wanted = find_faces(picture, hole)
    monkeypatch.setattr(search, "halved", None)
    found = find_faces(picture, hole, small=small)
    assert [face.landmarks.tolist() for face in found] == [face.landmarks.tolist() for face in wanted]


@pytest.mark.parametrize("boxes", [[], [(3, 4)], [(0, 0), (39, 59)], [(7, 50), (9, 2)]])
def test_the_box_of_a_mask_is_that_of_its_pixels(boxes):
    mask = np.zeros((40, 60), np.uint8)
    for y, x in boxes:
        mask[y, x] = 1
    assert box_of(mask) == tuple(cv2.boundingRect(mask))
    assert box_of(mask[:, 1:]) == tuple(cv2.boundingRect(np.ascontiguousarray(mask[:, 1:])))
