"""Narrow holes are steadied by their edges; wide ones and all else are as the model painted them."""

import numpy as np

from faceinpaint.inference.steady import MOST, steadied

SIDE = 64


def ramp():
    return np.broadcast_to(np.arange(SIDE, dtype=np.uint8)[None, :, None] * 3, (SIDE, SIDE, 3)).copy()


def hole(rows, columns):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[rows, columns] = 1
    return mask


def test_a_scratch_is_drawn_towards_its_edges():
    """The edges of a ramp know it exactly: half of the model's error is left at radius 2.5, more beyond."""
    crop, mask = ramp(), hole(slice(30, 35), slice(8, 56))  # radius 3
    painted = np.where(mask[..., None] > 0, crop + np.uint8(40), crop)
    result = steadied(painted, crop, mask).astype(int)
    error = (result - crop)[mask > 0]
    assert np.allclose(error, 40 * (1 - MOST * (7 - 3) / (7 - 2.5)), atol=1.01)
    assert np.array_equal(result[mask == 0], painted[mask == 0])


def test_a_wide_hole_is_the_models():
    crop, mask = ramp(), hole(slice(20, 40), slice(20, 40))
    painted = np.where(mask[..., None] > 0, np.uint8(200), crop)
    assert np.array_equal(steadied(painted, crop, mask), painted)


def test_each_hole_has_its_own_share():
    crop, mask = ramp(), hole(slice(4, 9), slice(8, 56)) | hole(slice(24, 50), slice(20, 46))
    painted = np.where(mask[..., None] > 0, crop + np.uint8(40), crop)
    changed = (steadied(painted, crop, mask) != painted).any(-1)
    assert changed[4:9, 8:56].all()
    assert not changed[24:50, 20:46].any()
