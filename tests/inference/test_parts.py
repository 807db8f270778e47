"""A part of a picture is carried along where it is small: results are those of the whole picture, to the byte."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from faceinpaint.data.mask_spec import parse_masks
from faceinpaint.inference.travel import Painted, Settings
from faceinpaint.inference.work import examine, finish
from tests.encoded import encoded

SIDE = 1500
HOLES = {"face": np.s_[330:420, 640:730], "beside": np.s_[900:960, 300:420], "scratch": np.s_[200:260, 700:703]}


@pytest.fixture(scope="module")
def portrait():
    picture = np.full((SIDE, SIDE, 3), 90, np.uint8)
    picture[100:740, 350:990] = cv2.resize(skimage.data.astronaut()[0:300, 60:360], (640, 640))
    grain = np.random.default_rng(2).normal(0, 3, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("hole", [*HOLES, "all"])
def test_a_part_gives_the_bytes_of_the_whole(portrait, tmp_path, hole, kind, orientation):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for name, place in HOLES.items():
        if hole in (name, "all"):
            mask[place] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = portrait if orientation == 1 else np.rot90(portrait).copy()
    data = encoded(stored, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    (tmp_path / "mask.png").write_bytes(encoded(mask, "PNG"))
    masks = parse_masks(str(tmp_path / "mask.png"))
    settings = Settings(output=str(tmp_path / "out"), masks=masks, image_size=64, alignment="celeba", keep_masks=True)
    examined = examine("a", data, None, settings)
    assert examined.row.status is None, examined.row
    crops = examined.plan.crops
    painted = None if crops is None else 255 - crops
    results = []
    for part in (examined.part, None):
        each = replace(examined, part=part, row=replace(examined.row))
        row = finish(Painted(examined=each, patches=painted), settings).row
        assert row.status in ("restored", "restored-fallback"), row
        results.append(((tmp_path / "out/a").read_bytes(), row.seam_error, row.confidence))
    assert results[0] == results[1]
    assert (examined.part is None) == (hole == "all"), "a small part is carried, a large one is not"
    kept = np.asarray(Image.open(tmp_path / "out/masks/a.png"))
    assert (kept[mask > 0] == 255).all()
