"""The model's own error on what it was shown: by its formula, and large where the crop does not lie as it should."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from faceinpaint.data.faces import align, detect
from faceinpaint.data.routing import Patch, cut
from faceinpaint.inference.confidence import ERROR, face_confidence
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.own_error import face_of, own_error

WEIGHTS = Path(__file__).parents[2] / "weights/faces256"
NOTHING = np.zeros((128, 128), np.float32)


def picture(seed):
    noise = np.random.default_rng(seed).normal(0, 1, (128, 128, 3)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 3) * 2


def test_it_is_one_minus_the_correlation_of_features_in_the_face():
    drawn, shown = picture(0), picture(1) + picture(0)
    inside = face_of(128, "ffhq") > 0

    def features(values):
        grey = values.clip(-1, 1).mean(-1)
        return (cv2.GaussianBlur(grey, (0, 0), 2) - cv2.GaussianBlur(grey, (0, 0), 8))[inside]

    wanted = 1 - np.corrcoef(features(drawn), features(shown))[0, 1]
    assert own_error(drawn, shown, NOTHING, "ffhq") == pytest.approx(wanted, abs=1e-4)
    assert 0.1 < wanted < 0.9
    assert own_error(drawn, 0.5 * drawn + 0.1, NOTHING, "ffhq") < 0.1  # light and contrast do not count
    assert own_error(drawn, -drawn, NOTHING, "ffhq") == pytest.approx(2, abs=1e-4)
    assert own_error(drawn, drawn * 0, NOTHING, "ffhq") == 1


def test_what_is_hidden_is_not_asked():
    drawn, shown = picture(0), picture(0)
    hole = NOTHING.copy()
    hole[:, 64:] = 1
    shown[:, 64:] = 0
    assert own_error(drawn, shown, hole, "ffhq") < 1e-4
    assert np.isnan(own_error(drawn, shown, NOTHING + 1, "ffhq"))


def test_a_turned_and_a_moved_crop_have_a_larger_error_and_less_confidence():
    inpainter = Inpainter.load(str(WEIGHTS), device="cpu")
    photo = astronaut()
    (face,) = [face for face in detect(photo) if face.score > 0.9]
    right = align(face, 256, "ffhq")
    moved = right + np.array([[0, 0, 90], [0, 0, 60]])
    crops = [
        cut(photo, photo[..., 0] * 0, Patch(m, 256, (0, 0, 1, 1), np.zeros((1, 1), np.uint8), "face"))[0]
        for m in (right, moved)
    ]
    crops += [np.rot90(crops[0], turn) for turn in (1, 2, 3)]
    hole = np.zeros((256, 256), np.uint8)
    hole[150:190, 105:150] = 1
    told = inpainter.restore_and_tell(np.stack(crops), np.stack([hole] * len(crops)))
    assert told.errors[0] < 0.55, told.errors
    assert told.errors[1:].min() > ERROR[0][1], told.errors
    patch = Patch(right, 256, (0, 0, 256, 256), hole, "face")
    found = zip(told.pictures, told.errors, strict=True)
    shares = [
        face_confidence(patch, hole, each, "ffhq", error) / face_confidence(patch, hole, each, "ffhq")
        for each, error in found
    ]
    assert shares[0] > 0.7
    assert shares[1:] == pytest.approx([0.2] * 4)


def test_confidence_only_falls_as_the_error_grows():
    hole = np.zeros((64, 64), np.uint8)
    hole[30:36, 30:36] = 1
    patch = Patch(np.eye(2, 3), 64, (0, 0, 64, 64), hole, "face")
    found = [
        face_confidence(patch, hole, picture(0)[:64, :64].astype(np.uint8), "celeba", error)
        for error in np.linspace(0, 2, 41)
    ]
    assert (np.diff(found) <= 0).all()
    assert found[0] > 4 * found[-1] > 0
