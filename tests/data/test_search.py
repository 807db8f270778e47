"""How often a picture is looked at for faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage

from faceinpaint.data import search
from faceinpaint.data.faces import Face

UPRIGHT = Face(np.array([[10, 10], [20, 10], [15, 15], [11, 20], [19, 20]], float), 0.93)


@pytest.mark.parametrize(
    ("filled", "as_it_is", "looks"),
    [(0.95, 0.0, 1), (0.85, 0.93, 2), (0.85, 0.85, 8), (0.0, 0.0, 8)],
)
def test_a_picture_is_turned_only_where_neither_view_shows_a_sure_face(monkeypatch, filled, as_it_is, looks):
    scores, seen = iter([filled, as_it_is]), []

    def look(picture: np.ndarray) -> list[Face]:
        seen.append(picture)
        score = next(scores, 0.0)
        return [Face(UPRIGHT.landmarks, score)] if score else []

    monkeypatch.setattr(search, "detect", look)
    mask = np.zeros((256, 256), np.uint8)
    mask[64:192, 64:192] = 1
    found = search.find_faces(np.zeros((256, 256, 3), np.uint8), mask)
    assert len(seen) == looks
    assert [face.score for face in found] == [score for score in (max(filled, as_it_is),) if score]


@pytest.mark.parametrize("turn", range(4))
def test_a_face_that_the_fill_hides_is_found_whichever_way_it_lies(turn):
    photo = cv2.resize(skimage.data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    mask = np.zeros((256, 256), np.uint8)
    mask[50:75, 95:120] = 1  # where the costs of speed are measured: the filled face is not sure
    upright = search.find_faces(photo, mask)
    (face,) = search.find_faces(*(np.ascontiguousarray(np.rot90(each, turn)) for each in (photo, mask)))
    assert len(upright) == 1
    assert face.height == pytest.approx(upright[0].height, rel=0.15)
