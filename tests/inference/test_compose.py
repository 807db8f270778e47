"""What is put into a hole meets its edges, is as sharp as the photograph, and touches nothing else."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut
from skimage.restoration import inpaint_biharmonic

from faceinpaint.data.routing import Patch, Routes, cut, route
from faceinpaint.inference.compose import Plan, compose, plan_for
from faceinpaint.inference.confidence import confidence
from faceinpaint.inference.detail import carry_detail
from faceinpaint.inference.edges import from_edges
from faceinpaint.inference.grain import carry_grain
from faceinpaint.inference.guide import guide_from_attention, guide_from_pixels
from faceinpaint.inference.harmonic import harmonic
from faceinpaint.inference.paste import paste

EYES_AND_NOSE = (slice(85, 120), slice(200, 245))  # in the astronaut's picture


def hole_at(rows: slice, columns: slice, shape=(512, 512)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[rows, columns] = 1
    return mask


def square_patch(size=64, side=200, hole=(60, 140)) -> Patch:
    """A patch that shows all of a square picture, with a square hole in its middle."""
    scale = size / side
    matrix = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5]])
    low, high = hole
    return Patch(matrix, size, (low, low, high, high), np.ones((high - low, high - low), np.uint8), "face")


def textured(side=200, seed=0, sigma=12) -> np.ndarray:
    """A flat picture with grain."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (side, side, 3)).astype(np.float32), (0, 0), 0.7)
    return np.clip(np.rint(120 + noise / noise.std() * sigma), 0, 255).astype(np.uint8)


def test_pasting_touches_the_hole_alone():
    picture, mask = astronaut(), hole_at(*EYES_AND_NOSE)
    (patch,) = route(picture, mask, 64).patches
    result = picture.copy()
    paste(result, np.full((64, 64, 3), 255, np.uint8), patch, mask)
    assert np.array_equal(result[mask == 0], picture[mask == 0])
    assert (result[mask > 0] != picture[mask > 0]).mean() > 0.9


@pytest.mark.parametrize("size", [64, 256])
def test_cut_and_paste_meet_the_picture_again(size):
    """The patch goes back to the very place it came from: on a smooth picture the round trip is near the identity."""
    smooth = cv2.GaussianBlur(astronaut(), (0, 0), 4)
    mask = hole_at(*EYES_AND_NOSE)
    (patch,) = route(astronaut(), mask, size).patches
    back = smooth.copy()
    paste(back, cut(smooth, mask, patch)[0], patch, mask, match=False)
    assert np.abs(back.astype(int) - smooth)[mask > 0].mean() < 1.5


def test_a_shift_of_colour_is_taken_away_and_a_slope_is_kept():
    """What a patch is off by all round its hole, it is off by inside."""
    slope = np.repeat(np.linspace(60, 160, 200, dtype=np.float32)[None, :, None], 200, 0).repeat(3, 2)
    picture = np.rint(slope).astype(np.uint8)
    patch, mask = square_patch(), hole_at(slice(60, 140), slice(60, 140), (200, 200))
    lighter = cut(picture, mask, patch)[0] + np.uint8(40)
    damaged = picture.copy()
    damaged[mask > 0] = 0
    paste(damaged, lighter, patch, mask)
    assert np.abs(damaged.astype(int) - picture)[mask > 0].max() <= 2


def test_damage_of_another_patch_does_not_bleed_in():
    picture = np.full((200, 200, 3), 100, np.uint8)
    mask = hole_at(slice(60, 140), slice(60, 140), (200, 200))
    picture[mask > 0] = (0, 255, 0)  # a marker
    left = np.ones((80, 40), np.uint8)
    patch = Patch(square_patch().matrix, 64, (60, 60, 100, 140), left, "face")
    paste(picture, np.full((64, 64, 3), 100, np.uint8), patch, mask)
    assert (picture[60:140, 60:100] == 100).all()
    assert (picture[60:140, 100:140] == (0, 255, 0)).all()


def test_harmonic_interpolation_of_a_harmonic_function_is_the_function():
    y, x = np.mgrid[:60, :80].astype(np.float32) / 20
    values = np.stack([x * y, x**2 - y**2, np.ones_like(x)], -1)
    known = np.ones((60, 80), bool)
    known[15:45, 20:60] = False
    known[0:10, 0:5] = False  # at the border nothing but the mirror is known: the least is a smooth result
    found = harmonic(np.where(known[..., None], values, -99), known)
    assert np.abs(found - values)[20:40, 25:55].max() < 0.2  # of 28
    assert np.array_equal(found[known], values[known])
    assert not harmonic(values, np.zeros((60, 80), bool)).any()


def fill_from_edges(picture, y, x):
    """In place."""
    picture[y, x] = np.rint(from_edges(picture, y, x))


def test_thin_holes_are_filled_as_the_library_does():
    """Against scikit-image, for scratches, specks and a hole of some size, all in one call."""
    picture, mask = astronaut(), hole_at(slice(300, 320), slice(100, 130))
    cv2.line(mask, (100, 30), (400, 420), 1, 5)
    for i in range(20):
        mask[20 + 20 * i : 23 + 20 * i, 450:453] = 1
    wanted = np.rint(inpaint_biharmonic(picture, mask > 0, channel_axis=2) * 255).clip(0, 255)
    filled = picture.copy()
    fill_from_edges(filled, *np.nonzero(mask))
    assert np.array_equal(filled[mask == 0], picture[mask == 0])
    assert np.abs(filled - wanted).max() <= 1


def test_a_slope_goes_on_through_a_hole_at_the_pictures_corner():
    picture = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None] * 4, 40, 1).repeat(3, 2)
    mask = hole_at(slice(15, 22), slice(0, 6), (40, 40))
    damaged = picture * (1 - mask[..., None])
    fill_from_edges(damaged, *np.nonzero(mask))
    assert np.abs(damaged.astype(int) - picture).max() <= 2
    one_row = np.full((1, 30, 3), 90, np.uint8)
    one_row[0, 10:14] = 0
    fill_from_edges(one_row, np.zeros(4, int), np.arange(10, 14))
    assert (one_row == 90).all()


def test_a_painted_hole_gets_the_grain_of_the_photograph():
    truth, patch = textured(), square_patch()
    mask = hole_at(slice(60, 140), slice(60, 140), (200, 200))
    filled = np.where(mask[..., None] > 0, np.uint8(120), truth)
    before = filled.copy()
    crop, hole = cut(filled, mask, patch)
    carry_detail(filled, patch, mask, guide_from_pixels(crop, hole, 16))
    assert np.array_equal(filled[mask == 0], before[mask == 0])
    assert (
        0.5 < filled[70:130, 70:130].std() / truth[70:130, 70:130].std() < 0.9
    )  # GAIN of what is finer than the patch


def test_detail_comes_from_where_attention_says():
    """Left of the picture is rough, right smooth; the scores decide which the hole becomes."""
    rough = textured()
    picture = rough.copy()
    picture[:, 100:] = 120
    mask, patch = hole_at(slice(60, 140), slice(60, 140), (200, 200)), square_patch()
    holes = np.zeros((16, 16), bool)
    holes[4:12, 4:12] = True
    for column, spread in ((1, (5, 12.5)), (13, (0, 0.5))):
        taken = np.tile([5 * 16 + column, 9 * 16 + column], (256, 1))
        guide = guide_from_attention(holes.ravel(), taken, np.full((256, 2), 0.3), 64)
        filled = np.where(mask[..., None] > 0, np.uint8(120), picture)
        carry_detail(filled, patch, mask, guide)
        assert spread[0] <= filled[70:130, 70:130].std() <= spread[1]


def test_without_valid_cells_nothing_is_carried():
    picture = textured()
    patch, everything = square_patch(hole=(0, 200)), np.ones((200, 200), np.uint8)
    crop, hole = cut(picture, everything, patch)
    before = picture.copy()
    carry_detail(picture, patch, everything, guide_from_pixels(crop, hole, 16))
    assert np.array_equal(picture, before)


def test_thin_holes_get_grain_too():
    truth = textured(300)
    mask = np.zeros((300, 300), np.uint8)
    cv2.line(mask, (20, 20), (280, 250), 1, 15)
    y, x = np.nonzero(mask)
    filled = truth.copy()
    fill_from_edges(filled, y, x)

    def steps(picture):
        return np.abs(picture[y, x].astype(int) - picture[y, x - 1]).mean()

    smooth = steps(filled)
    carry_grain(filled, y, x, np.full(len(y), 8, np.float32), mask)
    assert np.array_equal(filled[mask == 0], truth[mask == 0])
    assert smooth < 0.6 * steps(truth) < steps(filled) < 1.05 * steps(truth)


def test_slender_holes_take_the_mean_of_model_and_edges():
    """A flat picture, a model that paints a spot: half of it is left in a slender hole, all of it in a wide one."""
    picture = np.full((300, 300, 3), 100, np.uint8)
    for low, high, wanted in ((140, 160, 110), (110, 190, 120)):  # 20 px and 80 px of a patch shown at a third
        mask = hole_at(slice(low, high), slice(low, high), (300, 300))
        scale = 100 / 300
        matrix = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5]])
        patch = Patch(matrix, 100, (low, low, high, high), np.ones((high - low, high - low), np.uint8), "face")
        crop, hole = cut(picture, mask, patch)
        spot = np.full_like(crop, 100)
        spot[48:52, 48:52] = 120  # in the very middle, away from what the edge is matched by
        plan = Plan(patches=[patch], crops=crop[None], holes=hole[None])
        after = compose(picture, mask, plan, spot[None])
        assert abs(int(after[150, 150, 0]) - wanted) <= 3
        assert plan.described() == ("both 1" if wanted == 110 else "face 1")


def test_a_grey_picture_stays_grey():
    grey = textured(200)[..., :1].repeat(3, 2)
    mask = hole_at(slice(60, 140), slice(60, 140), (200, 200))
    thin = hole_at(slice(20, 24), slice(20, 180), (200, 200))
    y, x = (part.astype(np.int32) for part in np.nonzero(thin))
    routes = Routes(thin_y=y, thin_x=x, thin_radius=np.full(len(y), 2, np.float32), thin=1)
    patch = square_patch()
    crop, hole = cut(grey, mask | thin, patch)
    plan = Plan(patches=[patch], routes=routes, crops=crop[None], holes=hole[None])
    after = compose(grey, mask | thin, plan, crop[None])
    assert np.array_equal(after[..., 0], after[..., 1])
    assert np.array_equal(after[..., 0], after[..., 2])
    assert plan.described() == "edges 1, face 1"
    assert np.array_equal(plan.mask(grey.shape), mask | thin)


def planned(picture: np.ndarray, mask: np.ndarray) -> Plan:
    return plan_for(picture, mask, route(picture, mask, 64))


def test_confidence_falls_with_what_is_hidden_and_with_what_looks_wrong():
    picture = astronaut()
    holes = [
        hole_at(slice(88, 112), slice(200, 222)),  # one eye
        hole_at(slice(60, 160), slice(190, 245)),  # most of the face
        hole_at(slice(400, 460), slice(20, 80)),  # no face
    ]
    plans = [planned(picture, hole) for hole in holes]
    found = [confidence(plan, plan.crops, picture.size // 3, "celeba") for plan in plans]
    noise = np.random.default_rng(0).integers(0, 255, plans[0].crops.shape, np.uint8)
    found.append(confidence(plans[0], noise, picture.size // 3, "celeba"))
    assert found[0] > 0.8
    assert max(found[1:]) < 0.5
    assert min(found) >= 0
