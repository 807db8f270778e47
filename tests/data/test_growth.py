"""A hole covers what was painted, and nothing where nothing was painted."""

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from faceinpaint.data.growth import Damage, grow_by, grow_to_damage
from faceinpaint.data.marked_holes import Reading, Subject, find_hole
from faceinpaint.data.mask_spec import Alpha, parse_masks
from faceinpaint.inference.work import subject_of
from faceinpaint.photos.photo import read_photo
from tests.encoded import encoded

FACE = np.ascontiguousarray(skimage.data.astronaut()[:320, 60:380])
PLACE = np.hypot(*(np.mgrid[:320, :320] - np.array([134, 160])[:, None, None]) / np.array([0.75, 1])[:, None, None])
AROUND = PLACE < 70  # no pixel of the face is nearly magenta there
AUTO = Reading(grow="auto")


def magenta(picture):
    """By how many levels red and blue exceed green."""
    levels = picture.astype(int)
    return np.minimum(levels[..., 0], levels[..., 2]) - levels[..., 1]


def brushed(width, colour=(255, 0, 255)):
    share = np.clip((26 + width / 2 - PLACE) / width, 0, 1)[..., None]
    return (FACE * (1 - share) + np.array(colour) * share).astype(np.uint8)


def hole_in(data, spec, **how):
    photo = read_photo(data)
    subject = subject_of("a", photo)
    return photo.rgb, find_hole(parse_masks(spec), subject, Reading(**{"grow": "auto", **how}), 64)


@pytest.mark.parametrize("brush", [0.01, 1, 3, 8, 20])
@pytest.mark.parametrize("kind", ["png", "95-0", "90-1", "90-2", "75-0", "75-1", "75-2", "60-2"])
def test_no_pixel_of_the_marker_is_left(brush, kind):
    quality, _, sampling = kind.partition("-")
    options = ("JPEG", {"quality": int(quality), "subsampling": int(sampling)}) if sampling else ("PNG", {})
    picture, hole = hole_in(encoded(brushed(brush), options[0], **options[1]), "color:#FF00FF")
    left = (magenta(picture) > 20) & AROUND & (hole.pixels == 0)
    assert not left.any()
    marked = np.abs(picture.astype(int) - [255, 0, 255]).max(-1) <= 16
    assert hole.grown == hole.pixels.sum() - marked.sum()
    # What no brush and no block of the coding touched stays.
    touched = grow_by((26 + brush / 2 > PLACE).astype(np.uint8), 24)
    assert not (hole.pixels > touched).any()


@pytest.mark.parametrize("orientation", [3, 6])
def test_blocks_are_those_of_the_stored_picture(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(brushed(1)[:, :313], "JPEG", quality=75, subsampling=1, exif=exif)
    picture, hole = hole_in(data, "color:#FF00FF")
    plain, wanted = hole_in(encoded(brushed(1)[:, :313], "JPEG", quality=75, subsampling=1), "color:#FF00FF")
    turned = {3: lambda a: a[::-1, ::-1], 6: lambda a: np.rot90(a, -1)}[orientation]
    assert np.array_equal(picture, turned(plain))
    assert np.array_equal(hole.pixels, turned(wanted.pixels))


def test_a_number_grows_by_just_that_and_0_leaves_the_marked_pixels():
    data = encoded(brushed(1), "JPEG", quality=75)
    _, none = hole_in(data, "color:#FF00FF", grow=0)
    _, five = hole_in(data, "color:#FF00FF", grow=5)
    assert none.grown == 0
    distance = cv2.distanceTransform(1 - none.pixels, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    assert np.array_equal(five.pixels, distance <= 5)
    assert five.grown == five.pixels.sum() - none.pixels.sum()


def test_a_clean_edge_does_not_grow():
    """Boxes of white, black, grey and beige on photographs without loss: the mask is all of the damage."""
    random = np.random.default_rng(0)
    pictures = [FACE, skimage.data.chelsea(), skimage.data.coffee()[:300, :400]]
    for trial in range(24):
        picture = pictures[trial % 3].copy()
        hole = np.zeros(picture.shape[:2], np.uint8)
        y, x, height, width = random.integers((5, 5, 3, 3), (230, 230, 50, 50))
        hole[y : y + height, x : x + width] = 1
        picture[hole > 0] = [(255, 255, 255), (0, 0, 0), (128, 128, 128), (230, 220, 200)][trial % 4]
        assert np.array_equal(grow_to_damage(hole, Damage(picture=picture, within=True)), hole)


def test_a_hard_mask_over_a_soft_edge_grows_to_the_edge():
    white = brushed(6, (255, 255, 255))
    hole = (PLACE <= 26).astype(np.uint8)
    grown = grow_to_damage(hole, Damage(picture=white, within=True))
    left = np.abs(white.astype(int) - FACE).max(-1) > 40
    assert (left & (hole == 0)).sum() > 50
    assert (left & (grown == 0)).sum() < 10
    assert not grown[PLACE > 36].any()


def test_a_mask_on_a_jpeg_grows_within_the_blocks_that_it_touches():
    mask = np.zeros((320, 320), np.uint8)
    mask[118:150, 135:185] = 255
    damaged = FACE.copy()
    damaged[mask > 0] = 255
    blocks = np.zeros((320, 320), np.uint8)
    blocks[112:160, 128:192] = 1  # of 16 x 16
    data = encoded(damaged, "JPEG", quality=60, subsampling=2)
    photo = read_photo(data)
    grown = grow_to_damage(mask // 255, Damage(picture=photo.rgb, block=photo.file.block, within=True))
    assert (mask // 255 <= grown).all()
    assert (grown <= blocks).all()
    off = np.abs(photo.rgb.astype(int) - FACE).max(-1) > 15
    before = (off & (blocks > 0) & (mask == 0)).sum()
    assert before > 90
    assert (off & (blocks > grown)).sum() < 0.75 * before


def test_soft_transparency_is_hole_where_it_hangs_together_with_it():
    alpha = np.full((320, 320), 255, np.uint8)
    alpha[:] = 255 - np.floor(np.clip((30 - PLACE) / 8, 0, 1) * 255)
    alpha[300:310, 300:310] = 200  # glass, far away
    subject = Subject(key="a", picture=FACE, alpha=alpha)
    hole = find_hole(Alpha(), subject, AUTO, 64)
    assert np.array_equal(hole.pixels, (alpha < 253) & (PLACE < 60))
    assert find_hole(Alpha(), subject, Reading(), 64).grown == 0


def test_generated_holes_stay_as_they_are_drawn():
    hole = find_hole(parse_masks("squares"), Subject(key="a", picture=FACE, block=(16, 16)), AUTO, 64)
    assert hole.grown == 0
