"""Growth looks at the surroundings of holes alone, and finds what a look at the whole picture would find."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceinpaint.data import growth
from faceinpaint.data.components import pixels_of
from faceinpaint.data.growth import Damage, grow_by, grow_to_damage


def share_of_all(damaged, picture, paint, wanted):
    """The share of paint, by the plain formulas on all of the picture."""
    levels = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YCrCb).astype(np.float32)
    distance = cv2.distanceTransform(1 - damaged, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    witness = ((damaged == 0) & (distance <= 9)).astype(np.float32)[..., None]
    side = 2 * int(min(cv2.distanceTransform(damaged, cv2.DIST_L2, 3).max(), 20) + 7) + 1

    def summed(values):
        sums = cv2.boxFilter(values, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
        return sums.reshape(*values.shape)

    weight = summed(witness)
    few, weight = weight[..., 0] < 0.5, np.maximum(weight, 1)
    nature = summed(levels * witness) / weight
    spread = np.maximum(summed(levels**2 * witness) / weight - nature**2, np.float32([4, 1, 1]))
    away = paint - nature
    precision = (away**2 / spread).sum(-1)
    share = (away * (levels - nature) / spread).sum(-1) / np.maximum(precision, 1e-6)
    error = 1 / np.sqrt(np.maximum(precision, 1e-6))
    error[few | (np.abs(away).max(-1) < 24)] = np.inf
    return share[wanted], error[wanted]


def painted(seed, count, block, soft):
    """A smooth picture with holes of random sizes and places; their paint is mixed into it ``soft`` pixels around."""
    random = np.random.default_rng(seed)
    size = tuple(random.integers(40, 260, 2))
    noise = random.normal(0, 40, (*size, 3)).astype(np.float32)
    picture = 110 + 6 * cv2.GaussianBlur(noise, (0, 0), 9) + random.normal(0, 2, (*size, 3))
    hole = np.zeros(size, np.uint8)
    for _ in range(count):
        y, x, high, wide = random.integers((0, 0, 1, 1), (*size, *random.choice([4, 12, 60], 2) + 1))
        hole[y : y + high, x : x + wide] = 1
    share = np.clip(1 - cv2.distanceTransform(1 - hole, cv2.DIST_L2, 5) / (soft + 1e-3), 0, 1)[..., None]
    share = cv2.blur(share, block[::-1])[..., None] if block != (1, 1) else share
    colour = (250, 250, 245)
    return (picture * (1 - share) + np.array(colour) * share).clip(0, 255).astype(np.uint8), hole, colour


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 12),
    block=st.sampled_from([(1, 1), (8, 8), (16, 16), (8, 16)]),
    soft=st.sampled_from([0, 1, 3, 8, 30]),
    marker=st.booleans(),
    within=st.booleans(),
)
def test_it_grows_as_a_look_at_everything_would_make_it(seed, count, block, soft, marker, within):
    picture, hole, colour = painted(seed, count, block, soft)
    damage = Damage(picture=picture, paint=colour if marker else None, block=block, within=within and not marker)
    grown = grow_to_damage(hole, damage)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "_share", share_of_all)
        assert np.array_equal(grown, grow_to_damage(hole, damage))


def test_such_pictures_do_grow():
    grown = 0
    for seed in range(20):
        picture, hole, _ = painted(seed, 4, (1, 1), 3)
        grown += grow_to_damage(hole, Damage(picture=picture, within=True)).sum() > hole.sum()
    assert grown >= 10


@pytest.mark.parametrize("pixels", [1, 2, 3, 4, 5, 9])
def test_a_hole_grows_by_a_disk(pixels):
    random = np.random.default_rng(pixels)
    hole = (random.random((50, 60)) < 0.01).astype(np.uint8)
    y, x = np.nonzero(hole)
    rows, columns = np.mgrid[:50, :60]
    nearest = np.min((rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2, -1)
    assert np.array_equal(grow_by(hole, pixels), nearest <= pixels**2)


def test_what_is_looked_at_grows_with_the_specks_and_not_with_the_picture(monkeypatch):
    random = np.random.default_rng(0)
    picture = np.repeat(random.integers(90, 130, (1500, 2000, 1), np.uint8), 3, 2)
    specks = np.zeros((1500, 2000), np.uint8)
    for y, x in zip(random.integers(8, 1490, 60), random.integers(8, 1990, 60), strict=True):
        specks[y : y + 4, x : x + 4] = 1
    picture[specks > 0] = 250
    looked_at, plain = [], growth._share_at

    def counted(damaged, *rest):
        looked_at.append(damaged.size)
        return plain(damaged, *rest)

    monkeypatch.setattr(growth, "_share_at", counted)
    grow_to_damage(specks, Damage(picture=picture, block=(16, 16), within=True))
    assert 60 * 30**2 < sum(looked_at) < 60 * 75**2  # 4 pixels, and what the shares of those around depend on


@pytest.mark.parametrize("shape", [(1, 1), (7, 30), (30, 7)])
def test_the_pixels_of_a_hole_are_numpys(shape):
    hole = (np.random.default_rng(1).random(shape) < 0.3).astype(np.uint8)
    for part in (hole, hole[1:, 1:-1], hole * 0):
        assert all(map(np.array_equal, pixels_of(part), np.nonzero(part)))
