"""A report's thumbnail takes the new pixels of any part of a picture of any shape."""

import numpy as np
import pytest

from faceinpaint.inference.work import _with_part
from faceinpaint.photos.photo import Part


@pytest.mark.parametrize(("height", "width"), [(480, 721), (721, 480), (1000, 1333), (33, 1000)])
@pytest.mark.parametrize("corner", ["all", "end"])
def test_a_part_at_the_edge_fits(height, width, corner):
    scale = 192 / max(height, width)
    thumbnail = np.zeros((max(1, int(height * scale)), max(1, int(width * scale)), 3), np.uint8)
    box = (0, 0, width, height) if corner == "all" else (width // 2, height // 2, width, height)
    after = np.full((box[3] - box[1], box[2] - box[0], 3), 200, np.uint8)
    result = _with_part(thumbnail, Part(view=None, box=box, size=(height, width), orientation=1), after)
    assert result.shape == thumbnail.shape
    assert (result[-1, -1] == 200).all()
