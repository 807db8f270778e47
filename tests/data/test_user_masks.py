"""Mask pictures of every mode mean the same hole; those that cannot be meant are refused with the reason."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faceinpaint.data.user_masks import check_hole, decode_mask, user_hole
from faceinpaint.errors import InputError

HOLE = np.zeros((20, 30), np.uint8)
HOLE[4:9, 5:12] = 1


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind)
    return sink.getvalue()


def in_mode(mode: str) -> bytes:
    white = Image.fromarray(HOLE * 255)
    if mode == "I;16":
        return encoded(Image.fromarray(HOLE.astype(np.uint16) * 65535))
    if mode == "painted":  # opaque white strokes on nothing
        return encoded(Image.merge("LA", [Image.new("L", white.size, 255), white]))
    return encoded(white.convert(mode), "TIFF" if mode == "CMYK" else "PNG")


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "painted"])
def test_all_modes_mean_the_same(mode):
    assert np.array_equal(user_hole(decode_mask(in_mode(mode)), "white-is-hole", 20, 30), HOLE)


def test_jpeg_noise_and_soft_edges_are_thresholded():
    data = encoded(Image.fromarray(np.kron(HOLE, np.ones((8, 8), np.uint8)) * 255), "JPEG")
    assert np.array_equal(user_hole(decode_mask(data), "white-is-hole", 160, 240), np.kron(HOLE, np.ones((8, 8))))


@given(st.integers(1, 190), st.randoms(use_true_random=False))
def test_polarity_round_trip(count, random):
    """Inverting picture and polarity together changes nothing; "auto" finds either."""
    flat = [1] * count + [0] * (600 - count)
    random.shuffle(flat)
    hole = np.array(flat, np.uint8).reshape(20, 30)
    for polarity, levels in (("white-is-hole", hole * 255), ("black-is-hole", 255 - hole * 255)):
        assert np.array_equal(user_hole(levels, polarity, 20, 30), hole)
        assert np.array_equal(user_hole(levels, "auto", 20, 30), hole)


def test_sizes_within_tolerance_are_scaled():
    assert user_hole(HOLE * 255, "white-is-hole", 22, 28).shape == (22, 28)
    with pytest.raises(InputError, match="the mask is 30x20, the picture 30x23"):
        user_hole(HOLE * 255, "white-is-hole", 23, 30)


@pytest.mark.parametrize(
    ("levels", "polarity", "reason"),
    [
        (HOLE * 0, "white-is-hole", "empty mask"),
        (HOLE * 0 + 255, "white-is-hole", "total mask"),
        (HOLE * 0, "auto", "empty mask"),
        (255 - HOLE * 255, "white-is-hole", "likely inverted mask: 94%"),
        (HOLE * 255, "black-is-hole", "likely inverted mask: 94%"),
        (HOLE * 0 + 100, "white-is-hole", "100% grey"),
        (np.tile(np.uint8([0, 255]), (20, 15)), "auto", "50% white: too even"),
    ],
)
def test_the_guard_gives_its_reason(levels, polarity, reason):
    with pytest.raises(InputError, match=reason):
        user_hole(levels, polarity, 20, 30)


def test_a_frame_of_hole_is_taken_for_an_inversion_and_a_large_hole_within_is_not():
    frame = np.ones((20, 20), np.uint8)
    frame[3:16, 3:16] = 0
    within = np.zeros((20, 20), np.uint8)
    within[2:18, 2:18] = 1
    assert within.mean() > frame.mean() > 0.5
    assert check_hole(within, may_be_inverted=True) is within
    with pytest.raises(InputError, match="likely inverted"):
        check_hole(frame, may_be_inverted=True)


def test_no_picture_is_no_mask():
    with pytest.raises(InputError, match="not a picture of a known format"):
        decode_mask(b"text")
