"""Classical fills: the property each was made for, on pictures whose answer is known."""

import itertools

import numpy as np
import pytest

from faceinpaint.evaluation.methods import CLASSICAL
from faceinpaint.evaluation.tables import NAMES
from faceinpaint.models.baselines.classical.coherence import WIDTH, coherence, kernels
from faceinpaint.models.baselines.classical.common import diffused, evenly_diffused, halved
from faceinpaint.models.baselines.classical.curvature import LEAST, curvature, diffusivity
from faceinpaint.models.baselines.classical.fragment import fragment, laplacian_over
from faceinpaint.models.baselines.classical.photomontage import blended, minimum_cut, photomontage
from faceinpaint.models.baselines.classical.quilting import cheapest_cut, quilting
from faceinpaint.models.baselines.classical.search import differences, whole_places

ROWS, COLUMNS = np.mgrid[:64, :64]
BRIGHT, DARK = 220, 30
RANDOM = np.random.default_rng(0)
OURS = ("curvature", "coherence", "fragment", "photomontage", "quilting", "mean")


def painted(where):
    return np.where(where, BRIGHT, DARK).astype(np.uint8)[..., None].repeat(3, axis=2)


def with_hole(picture, rows, columns):
    """The picture with its hole grey, and the hole."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[rows, columns] = 1
    damaged = picture.copy()
    damaged[mask > 0] = 128
    return damaged, mask


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize(
    "hole", [np.s_[5:20, 9:30], np.s_[0:15, 40:64], np.s_[30, :], np.s_[:, :], np.s_[0:0]], ids=str
)
def test_only_the_hole_changes_whatever_lies_in_it(name, hole):
    """At the edge, over all of the picture, and without a hole too. OpenCV's read the hole where it meets the edge."""
    picture = RANDOM.integers(0, 256, (48, 64, 3), np.uint8)
    mask = np.zeros((48, 64), np.uint8)
    mask[hole] = 1
    before = picture.copy()
    filled = CLASSICAL[name](picture, mask)
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[mask == 0], picture[mask == 0])
    assert np.array_equal(picture, before)
    blank = np.where(mask[..., None] > 0, 7, picture).astype(np.uint8)
    if name in OURS:
        assert np.array_equal(CLASSICAL[name](blank, mask), filled)
    assert name in NAMES


@pytest.mark.parametrize("name", OURS)
def test_an_even_picture_stays_even(name):
    picture = np.full((64, 64, 3), (200, 90, 40), np.uint8)
    damaged, mask = with_hole(picture, slice(20, 40), slice(22, 44))
    assert np.abs(CLASSICAL[name](damaged, mask).astype(int) - picture).max() <= 1


@pytest.mark.parametrize("fill", [curvature, coherence, fragment, photomontage, quilting])
@pytest.mark.parametrize("slant", [0.0, 0.4])
def test_a_straight_edge_goes_on_through_a_hole(fill, slant):
    picture = painted(slant * COLUMNS + 24 - slant * 28 > ROWS)
    damaged, mask = with_hole(picture, slice(16, 32), slice(20, 36))
    off = np.abs(fill(damaged, mask).astype(int) - picture)[mask > 0].mean()
    assert off < 0.16 * (BRIGHT - DARK)  # of the hole's pixels, those on the wrong side


@pytest.mark.parametrize("fill", [fragment, photomontage, quilting])
@pytest.mark.parametrize("period", [4, 8])
def test_a_periodic_texture_is_continued(fill, period):
    picture = painted((ROWS // (period // 2) + COLUMNS // (period // 2)) % 2 == 0)
    damaged, mask = with_hole(picture, slice(24, 40), slice(24, 40))
    off = np.abs(fill(damaged, mask).astype(int) - picture)[mask > 0]
    assert off.mean() < 2
    smooth = np.abs(curvature(damaged, mask).astype(int) - picture)[mask > 0]  # diffusion cannot
    assert smooth.mean() > 40


def test_curvature_joins_a_bar_over_a_gap_wider_than_the_bar_and_total_variation_cuts_it():
    picture = painted((ROWS >= 20) & (ROWS < 28))
    damaged, mask = with_hole(picture, slice(14, 34), slice(22, 34))
    middle = (24, 28)
    assert curvature(damaged, mask)[middle].mean() > BRIGHT - 0.25 * (BRIGHT - DARK)
    u, hole = damaged / 255.0, mask > 0
    u[hole] = evenly_diffused(u, hole)
    for _ in range(60):  # the same equation without the factor |k|
        brightness = u.mean(axis=2)
        lengths = [np.hypot(np.diff(brightness, axis=axis), 0.01) for axis in (1, 0)]
        u[hole] = diffused(u, hole, 1 / lengths[0], 1 / lengths[1])
    assert u[middle].mean() * 255 < DARK + 0.25 * (BRIGHT - DARK)


def test_diffusivity_is_curvature_over_slope():
    """Of the cone u = a |x|: |grad u| = a, and the level line at distance r bends by 1 / r."""
    rows, columns = np.mgrid[-40:41, -40:41].astype(float)
    across, down = diffusivity(0.5 * np.hypot(rows, columns))
    assert across[40, 60] == pytest.approx(1 / 20.5 / 0.5 + LEAST, rel=0.02)  # between (0, 20) and (0, 21)
    assert down[54, 54] == pytest.approx(1 / np.hypot(14, 14.5) / 0.5 + LEAST, rel=0.02)
    flat, _ = diffusivity(0.01 * rows)
    np.testing.assert_allclose(flat, LEAST)


def test_kernels_are_circles_on_flat_ground_and_long_along_a_line():
    steps = np.array([[0, 1], [1, 0], [1, 1], [1, -1]])
    where = np.zeros((64, 64), bool)
    where[20, 20] = True
    even = kernels(np.full((64, 64, 3), 0.5), where, steps)[0]
    np.testing.assert_allclose(even, np.exp(-np.array([1, 1, 2, 2]) / (2 * WIDTH**2)))
    down_right = kernels(painted(ROWS > COLUMNS) / 255.0, where, steps)[0]  # the line goes along (1, 1)
    ratio = np.log(down_right[3]) / np.log(down_right[2])
    assert ratio == pytest.approx(64, rel=0.1)  # exponents go with the axes' squares: S^2
    assert down_right[2] > 0.8


def test_diffusion_is_linear_between_two_sides_and_follows_given_slopes():
    u = np.zeros((5, 12, 1))
    u[:, 11] = 11.0
    hole = np.zeros((5, 12), bool)
    hole[:, 1:11] = True
    np.testing.assert_allclose(evenly_diffused(u, hole)[:, 0], np.tile(np.arange(1, 11), 5), atol=1e-9)
    wanted = RANDOM.random((9, 9, 2))
    inside = np.zeros((9, 9), bool)
    inside[2:7, 2:7] = True
    known = np.where(inside[..., None], 0, wanted)
    slopes = np.diff(wanted, axis=1), np.diff(wanted, axis=0)
    np.testing.assert_allclose(evenly_diffused(known, inside, slopes), wanted[inside], atol=1e-9)


def test_halving_takes_known_pixels_alone():
    u, hole = np.arange(16.0).reshape(4, 4, 1), np.zeros((4, 4), bool)
    hole[0, 0] = hole[:2, 2:] = True
    colours, left = halved(u, hole)
    assert colours[0, 0, 0] == pytest.approx((1 + 4 + 5) / 3)
    assert colours[1, 1, 0] == pytest.approx((10 + 11 + 14 + 15) / 4)
    assert left.tolist() == [[False, True], [False, False]]


def test_differences_equal_the_sum_at_each_place():
    picture, patch = (RANDOM.integers(0, 256, shape).astype(np.float32) for shape in ((20, 17, 3), (5, 4, 3)))
    weights = RANDOM.random((5, 4)).astype(np.float32)
    found = differences(picture, patch, weights)
    assert found.shape == (16, 14)
    for y, x in itertools.product(range(16), range(14)):
        expected = (((picture[y : y + 5, x : x + 4] - patch) ** 2) * weights[..., None]).sum()
        assert found[y, x] == pytest.approx(expected, rel=1e-3)


def test_whole_places_see_known_pixels_alone_or_as_many_as_there_are():
    known = np.ones((8, 8), bool)
    known[3, 3] = False
    places = whole_places(known, 2, 2)
    assert [tuple(place) for place in np.argwhere(~places)] == [(2, 2), (2, 3), (3, 2), (3, 3)]
    known[:] = False
    known[4, 4] = True
    assert whole_places(known, 2, 2).sum() == 4


def test_the_cheapest_cut_is_the_cheapest_of_all():
    errors = RANDOM.random((5, 4))
    cut = cheapest_cut(errors)
    paths = [p for p in itertools.product(range(4), repeat=5) if np.abs(np.diff(p)).max() <= 1]
    cost = lambda path: sum(errors[i, column] for i, column in enumerate(path))  # noqa: E731
    assert np.abs(np.diff(cut)).max() <= 1
    assert cost(cut) == pytest.approx(min(map(cost, paths)))


def test_the_minimum_cut_is_the_cheapest_of_all_labellings():
    count, pairs = 6, np.array([(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)])
    data, price = RANDOM.integers(0, 9, (2, count)), RANDOM.integers(0, 9, len(pairs))

    def cost(labels):
        labels = np.asarray(labels, int)
        return data[labels, np.arange(count)].sum() + price[labels[pairs[:, 0]] != labels[pairs[:, 1]]].sum()

    takes = minimum_cut(data, pairs[:, 0], pairs[:, 1], price)
    assert cost(takes) == min(map(cost, itertools.product((0, 1), repeat=count)))


def test_blending_takes_a_region_that_is_brighter_throughout_without_a_seam():
    picture = RANDOM.random((12, 12, 3)).astype(np.float32) * 200
    part = np.zeros((12, 12), bool)
    part[3:9, 3:9] = True
    labels = (np.mgrid[:12, :12][1] > 5).astype(int)
    found = blended([picture + 30, picture - 20], labels, part, np.where(part[..., None], 0, picture))
    np.testing.assert_allclose(found, picture[part], atol=1e-3)  # both have its slopes, and its edge fixes the level


def test_a_laplacian_pyramid_joins_where_alpha_says_and_low_frequencies_slowly():
    below, above = (np.full((16, 16, 3), value, np.float32) for value in (0, 100))
    for alpha, expected in ((1, 0), (0, 100)):
        joined = laplacian_over(below, above, np.full((16, 16), alpha, np.float32))
        np.testing.assert_allclose(joined, expected, atol=1e-3)
    halves = np.zeros((16, 16), np.float32)
    halves[:, :8] = 1
    profile = laplacian_over(below, above, halves)[8, :, 0]
    assert (np.diff(profile) > -1e-3).all()
    assert profile[0] < 30
    assert profile[-1] > 70
    assert np.abs(np.diff(profile)).max() < 40  # at once it would be 100
