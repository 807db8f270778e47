"""Generated holes: where they lie, how large they are, and that only key and seed decide."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceinpaint.config import HoleConfig
from faceinpaint.data import masks
from faceinpaint.errors import InputError
from faceinpaint.hashing import stable_hash

keys = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("squares", masks.Squares()),
        ("squares:24", masks.Squares(24)),
        ("freeform:0.1-0.2", masks.Freeform(0.1, 0.2)),
        ("freeform:.01-1", masks.Freeform(0.01, 1)),
        ("alpha", None),
        ("masks/squares", None),
        ("mask.png", None),
    ],
)
def test_generated_specs(spec, expected):
    assert masks.parse_generated(spec) == expected


@pytest.mark.parametrize(
    "spec", ["squares:", "squares:0", "squares:-3", "squares:x", "freeform:0.2", "freeform:0.2-0.1"]
)
def test_wrong_generated_specs_say_what_to_write(spec):
    with pytest.raises(InputError, match=r"write (squares:SIDE|freeform:LOW-HIGH)"):
        masks.parse_generated(spec)


def test_ten_squares_are_ten_places_inside_the_picture():
    places = masks.ten_squares(64, 16)
    assert len(set(places)) == masks.SQUARE_POSITIONS
    assert all(0 <= top <= 48 and 0 <= left <= 48 for top, left in places)


@given(key=keys, side=st.integers(1, 64), scale=st.integers(1, 4))
def test_squares_are_whole_and_scale_with_the_picture(key, side, scale):
    hole = masks.Squares(side)
    small = masks.generated_hole(hole, key, 64, 64, 64)
    large = masks.generated_hole(hole, key, 64 * scale, 64 * scale, 64)
    assert small.sum() == side * side
    assert np.array_equal(large, small.repeat(scale, 0).repeat(scale, 1))


def test_squares_default_to_a_quarter_and_use_all_ten_places():
    holes = [masks.generated_hole(masks.Squares(), f"{i:06d}", 64, 64, 64) for i in range(200)]
    assert {int(hole.sum()) for hole in holes} == {16 * 16}
    assert len({hole.tobytes() for hole in holes}) == masks.SQUARE_POSITIONS


def test_squares_of_a_wide_picture_lie_in_its_centre_square():
    hole = masks.generated_hole(masks.Squares(64), "a", 64, 100, 64)
    assert np.array_equal(np.flatnonzero(hole.any(0)), np.arange(18, 82))


def test_a_square_larger_than_the_model_is_refused():
    with pytest.raises(InputError, match=r"squares:65: larger than the model's picture, 64 px"):
        masks.generated_hole(masks.Squares(65), "a", 64, 64, 64)


@settings(deadline=None, max_examples=60)
@given(
    key=keys,
    height=st.integers(16, 90),
    width=st.integers(16, 90),
    band=st.tuples(st.integers(1, 99), st.integers(1, 99)).filter(lambda b: b[0] < b[1]),
)
def test_freeform_holes_lie_in_their_band(key, height, width, band):
    low, high = band[0] / 100, band[1] / 100
    hole = masks.generated_hole(masks.Freeform(low, high), key, height, width, 64)
    assert hole.shape == (height, width)
    assert set(np.unique(hole)) <= {0, 1}
    assert low <= hole.mean() <= high


@given(key=keys, seed=st.integers(0, 2**31), epoch=st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_training_holes_depend_on_their_arguments_alone(key, seed, epoch):
    holes = HoleConfig()
    hole = masks.training_hole(holes, seed, epoch, key, 64)
    masks.training_hole(holes, seed + 1, epoch, key, 64)  # no state is left behind
    assert np.array_equal(hole, masks.training_hole(holes, seed, epoch, key, 64))
    assert 0.03 <= hole.mean() <= 0.5


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"key": "b"}])
def test_training_holes_change_with_each_argument(change):
    arguments = {"seed": 0, "epoch": 0, "key": "a"}
    first = [masks.training_hole(HoleConfig(squares=share), size=64, **arguments) for share in (0, 1)]
    second = [masks.training_hole(HoleConfig(squares=share), size=64, **arguments | change) for share in (0, 1)]
    assert not np.array_equal(first, second)


def test_training_mixes_squares_and_strokes_as_configured():
    def share_of_squares(squares: float) -> float:
        holes = [masks.training_hole(HoleConfig(squares=squares), 0, 0, str(i), 64) for i in range(200)]
        boxes = [int(hole.any(0).sum() * hole.any(1).sum()) for hole in holes]
        return float(np.mean([hole.sum() == box for hole, box in zip(holes, boxes, strict=True)]))

    assert share_of_squares(0.0) < 0.02
    assert 0.4 < share_of_squares(0.5) < 0.6
    assert share_of_squares(1.0) == 1


def test_holes_are_the_same_in_another_process():
    """Python's own string hash is salted by process; ours must not be."""
    code = (
        "from faceinpaint.config import HoleConfig; from faceinpaint.data import masks; import hashlib;"
        "from faceinpaint.hashing import stable_hash;"
        "hole = masks.training_hole(HoleConfig(squares=0), 3, 1, 'é', 64);"
        "print(hashlib.sha256(hole).hexdigest(), stable_hash('é'))"
    )
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    assert len(runs) == 1
    assert f"{stable_hash('é')}\n" == runs.pop().split()[1] + "\n"


@pytest.mark.parametrize(
    ("kind", "low", "high"), [({"large": 1.0}, 0.5, 0.8), ({"scratches": 1.0, "squares": 0.0}, 0.005, 0.08)]
)
def test_large_and_thin_training_holes_lie_in_their_bands(kind, low, high):
    shares = [masks.training_hole(HoleConfig(**kind), 0, 0, str(i), 64).mean() for i in range(50)]
    assert low <= min(shares)
    assert max(shares) <= high


def test_rectangles_stay_within_their_aspect():
    holes = [masks.training_hole(HoleConfig(squares=1, aspect=3), 0, 0, str(i), 128) for i in range(100)]
    ratios = [hole.any(0).sum() / hole.any(1).sum() for hole in holes]
    assert max(ratios) > 1.5
    assert min(ratios) < 1 / 1.5
    assert max(ratios) < 3.3
    assert min(ratios) > 1 / 3.3
