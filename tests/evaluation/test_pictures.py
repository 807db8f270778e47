"""Which pictures are judged: those with a hole and something around it."""

import numpy as np
import pytest

from faceinpaint.data import mask_names
from faceinpaint.data.marked_holes import Reading
from faceinpaint.data.mask_spec import MaskFolder
from faceinpaint.encoding import mask_png, png_bytes
from faceinpaint.evaluation.pictures import prepare

SIDE = 16


def prepared(folder, hole):
    (folder / "a.png").write_bytes(mask_png(hole))
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, 2 * SIDE, 3), np.uint8)
    row = {"key": "a.jpg", "image": png_bytes(picture)}
    return prepare(row, MaskFolder(str(folder)), Reading(polarity="white-is-hole"), SIDE, None)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (slice(10, 20), ""),
        (slice(0, 4), "the hole is empty after cropping"),
        (slice(6, 26), "nothing but the hole is left after cropping"),
    ],
)
def test_the_hole_is_what_the_crop_leaves_of_it(tmp_path, columns, said):
    hole = np.zeros((SIDE, 2 * SIDE), np.uint8)
    hole[:, columns] = 1
    row = prepared(tmp_path, hole)
    assert row["error"] == said
    assert bool(row["image"]) == (not said)
    if not said:
        assert np.array_equal(np.frombuffer(row["hole"], np.uint8).reshape(SIDE, SIDE), hole[:, 8:24])


def test_a_mask_that_may_not_be_read_costs_its_picture_alone(tmp_path, monkeypatch):
    def refused(uri):
        raise PermissionError(13, "Permission denied", uri)

    monkeypatch.setattr(mask_names, "read_stamped", refused)
    row = prepared(tmp_path, np.eye(SIDE, 2 * SIDE, dtype=np.uint8))
    assert "Permission denied" in row["error"]
