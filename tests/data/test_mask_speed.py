"""Masks are read by the shortest way there is, to the levels of the long one."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from faceinpaint.data import mask_pictures
from faceinpaint.data.growth import windows
from faceinpaint.data.mask_pictures import decode_mask
from faceinpaint.data.user_masks import user_hole
from faceinpaint.photos import tone
from tests.encoded import encoded

RNG = np.random.default_rng(8)
SOFT = np.zeros((60, 80), np.uint8)
SOFT[20:40, 30:60] = 255
SOFT[19, 30:60] = SOFT[40, 30:60] = 120
FEW = np.where(SOFT > 0, np.uint8(7), np.uint8(0))
NOISE = RNG.integers(0, 256, SOFT.shape, np.uint8)


def rgb(levels):
    return np.repeat(levels[..., None], 3, 2)


SHORT = {
    "bits": encoded(Image.fromarray(SOFT).convert("1")),
    "grey": encoded(Image.fromarray(SOFT)),
    "two levels": encoded(Image.fromarray(FEW)),
    "noise": encoded(Image.fromarray(NOISE)),
    "RGB": encoded(Image.fromarray(rgb(SOFT))),
    "RGBA": encoded(Image.fromarray(np.dstack([rgb(SOFT), np.full_like(SOFT, 255)]))),
    "LA": encoded(Image.fromarray(np.dstack([SOFT, np.full_like(SOFT, 255)]), "LA")),
    "JPEG": encoded(Image.fromarray(SOFT), "JPEG"),
}
LONG = {
    "colour": encoded(Image.fromarray(np.dstack([SOFT, SOFT * 0, SOFT * 0]))),
    "clear": encoded(Image.fromarray(np.dstack([rgb(SOFT), SOFT]))),
    "clear grey": encoded(Image.fromarray(np.dstack([SOFT * 0 + 255, SOFT]), "LA")),
    "palette": encoded(Image.fromarray(rgb(SOFT)).quantize(8)),
}


@pytest.mark.parametrize("name", [*SHORT, *LONG])
def test_the_short_way_gives_the_levels_of_the_long_one(name, monkeypatch):
    data = (SHORT | LONG)[name]
    short = decode_mask(data)
    used = []
    monkeypatch.setattr(mask_pictures, "_grey_alone", lambda image: used.append(image))
    long = decode_mask(data)
    assert used
    assert np.array_equal(short.levels, long.levels)
    assert (short.marked, short.lossy, short.orientation, short.seen) == (
        long.marked,
        long.lossy,
        long.orientation,
        long.seen,
    )


@pytest.mark.parametrize("name", SHORT)
def test_the_short_way_is_taken(name, monkeypatch):
    monkeypatch.setattr(mask_pictures, "_of_colours", None)
    decode_mask(SHORT[name])


@pytest.mark.parametrize("place", [np.s_[0:3, 0:4], np.s_[55:60, 70:80], np.s_[20:30, 5:70]])
def test_windows_about_holes_are_those_of_the_whole_picture(place):
    hole = np.zeros((60, 80), np.uint8)
    hole[place] = 1
    hole[40, 10] = 1
    padded = np.zeros((160, 180), np.uint8)
    padded[50:110, 50:130] = hole
    found = {(r.start, r.stop, c.start, c.stop) for r, c in windows(hole, 5)}
    inside = {
        (max(0, r.start - 50), min(60, r.stop - 50), max(0, c.start - 50), min(80, c.stop - 50))
        for r, c in windows(padded, 5)
    }
    assert found == inside
    assert np.array_equal(sum(hole[w].sum() for w in windows(hole, 5)), hole.sum())


@pytest.mark.parametrize("name", [*SHORT, *LONG])
def test_a_mask_is_crisp_when_it_is_black_and_white_alone(name):
    mask = decode_mask((SHORT | LONG)[name])
    black_and_white = bool(np.isin(mask.levels, (0, 255)).all())
    assert mask.crisp <= black_and_white
    if name in ("bits", "two levels"):
        assert mask.crisp


@pytest.mark.parametrize("levels", [[0], [255], [0, 255], [0, 7], [7, 255], [0, 128, 255], [], range(256)])
def test_the_levels_that_occur_are_those_of_a_count(levels):
    mask = np.array(list(levels) * 3, np.uint8).reshape(3, -1)
    assert mask_pictures._levels_of(mask).tolist() == np.unique(mask).tolist()


@pytest.mark.parametrize("polarity", ["white-is-hole", "black-is-hole", "auto"])
def test_a_crisp_mask_gives_what_any_other_does(polarity):
    crisp = decode_mask(SHORT["bits"])
    assert crisp.crisp
    if polarity == "black-is-hole":
        crisp = replace(crisp, levels=255 - crisp.levels)
    for soft in (False, True):
        short = user_hole(crisp, polarity, 60, 80, soft=soft)
        assert np.array_equal(short, user_hole(replace(crisp, crisp=False), polarity, 60, 80, soft=soft))
        assert np.array_equal(short, decode_mask(SHORT["bits"]).levels == 255)


@pytest.mark.parametrize("shape", [(301, 257), (128, 640), (90, 60)])
def test_the_surroundings_of_holes_are_those_of_every_pixel(shape):
    hole = (RNG.random(shape) < 0.0003).astype(np.uint8)
    hole[7, 9] = hole[-1, -1] = 1
    windows = tone._surroundings(hole)
    covered = np.zeros(shape, bool)
    for window in windows:
        covered[window] = True
    near = cv2.dilate(hole, np.ones((2 * tone.AROUND + 1,) * 2, np.uint8)) > 0
    assert covered[near].all()
    one = tone._surroundings(hole * 0 + (np.indices(shape).sum(0) == 16).astype(np.uint8) * hole)
    assert len(one) == 1
