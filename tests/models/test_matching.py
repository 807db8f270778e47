"""The paste meets the valid pixels: a harmonic function in the hole, the known values outside."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceinpaint.models.matching import harmonic_fill, matched

SIZE = 64


def hole(top, left, height, width):
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., top : top + height, left : left + width] = 1
    return mask


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**31))
@settings(deadline=None, max_examples=30)
def test_known_values_stay_and_the_fill_lies_between_them(top, left, height, width, seed):
    known = 1 - hole(top, left, height, width)
    values = torch.rand(1, 2, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    filled = harmonic_fill(values, known)
    assert torch.equal(filled * known, values * known)
    assert values.min() - 1e-6 <= filled.min()
    assert filled.max() <= values.max() + 1e-6


def test_a_slope_goes_on_through_the_hole():
    """A linear ramp is harmonic: it is its own interpolation, here to a hundredth of its range."""
    ramp = torch.linspace(0, 1, SIZE).expand(1, 1, SIZE, SIZE)
    for mask in (hole(20, 20, 24, 24), hole(5, 30, 50, 8)):
        filled = harmonic_fill(ramp * (1 - mask), 1 - mask)
        assert (filled - ramp).abs().max() < 0.01


def test_nothing_known_gives_nothing():
    assert not harmonic_fill(torch.rand(1, 3, SIZE, SIZE), torch.zeros(1, 1, SIZE, SIZE)).any()


def test_a_picture_that_is_off_by_a_shade_is_put_right():
    torch.manual_seed(0)
    truth, mask = torch.rand(2, 3, SIZE, SIZE), hole(10, 16, 30, 20).expand(2, -1, -1, -1)
    picture = (truth - 0.25).requires_grad_()
    result = matched(picture, truth * (1 - mask), mask)
    torch.testing.assert_close(result, truth, atol=1e-4, rtol=0)
    result.sum().backward()
    assert torch.equal(picture.grad, torch.ones_like(picture))  # the correction is taken as given
