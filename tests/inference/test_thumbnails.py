"""A report's thumbnail takes the new pixels of any part of a picture of any shape."""

import cv2
import numpy as np
import pytest

from faceinpaint.inference.thumbs import hole_thumbnail, thumbnail, with_part
from faceinpaint.photos.photo import Part


@pytest.mark.parametrize(("height", "width"), [(480, 721), (721, 480), (1000, 1333), (33, 1000)])
@pytest.mark.parametrize("corner", ["all", "end"])
def test_a_part_at_the_edge_fits(height, width, corner):
    scale = 192 / max(height, width)
    small = np.zeros((max(1, int(height * scale)), max(1, int(width * scale)), 3), np.uint8)
    box = (0, 0, width, height) if corner == "all" else (width // 2, height // 2, width, height)
    after = np.full((box[3] - box[1], box[2] - box[0], 3), 200, np.uint8)
    result = with_part(small, Part(view=None, box=box, size=(height, width), orientation=1), after)
    assert result.shape == small.shape
    assert (result[-1, -1] == 200).all()


@pytest.mark.parametrize("shape", [(800, 1000), (1613, 997), (150, 120)])
@pytest.mark.parametrize(
    "box", [np.s_[40:60, 71:100], np.s_[0:1, 0:7], np.s_[100:700, 20:110], np.s_[149:150, 119:120]]
)
def test_a_hole_is_shrunk_by_its_box_as_with_all_of_the_picture(shape, box):
    hole = np.zeros(shape, np.uint8)
    hole[box] = np.random.default_rng(0).integers(0, 2, hole[box].shape)
    hole[box][0, 0] = 1
    small = hole_thumbnail(hole)
    assert max(small.shape) == min(192, max(shape))
    wanted = cv2.resize(hole * 255, small.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("shape", [(900, 1201, 3), (2100, 1500, 3), (150, 120, 3)])
def test_outside_the_hole_both_thumbnails_of_a_picture_are_the_same(shape):
    before = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    after = before.copy()
    rows, columns = slice(shape[0] // 3, shape[0] // 2), slice(shape[1] // 3, shape[1] // 2)
    after[rows, columns] = 255
    box = (0, 0, shape[1], shape[0])
    small = thumbnail(before)
    new = with_part(small, Part(view=None, box=box, size=shape[:2], orientation=1), after)
    scale = small.shape[0] / shape[0]
    changed = np.argwhere((small != new).any(-1))
    assert (changed.min(0) >= np.floor([rows.start * scale - 1, columns.start * scale - 1])).all()
    assert (changed.max(0) <= np.ceil([rows.stop * scale, columns.stop * scale])).all()
    middle = (np.array([rows.start + rows.stop, columns.start + columns.stop]) * scale / 2).astype(int)
    assert (new[tuple(middle)] == 255).all()
