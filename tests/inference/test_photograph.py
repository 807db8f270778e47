"""One photograph in Python gets what it would get in bulk."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from faceinpaint import Inpainter, restore, restore_photograph
from faceinpaint.errors import InputError
from tests.inference.test_restore import mask, png


@pytest.fixture(scope="module")
def inpainter(tiny_weights):
    return Inpainter.load(tiny_weights, device="cpu")


def astronaut():
    """A photograph with a face, and a hole on an eye and one in the background."""
    pixels, hole = data.astronaut(), np.zeros((512, 512), np.uint8)
    hole[95:125, 200:230] = hole[300:340, 20:60] = 255
    return pixels, hole


def test_a_photograph_gets_what_bulk_restoration_gives_it(inpainter, tiny_weights, tmp_path):
    pixels, hole = astronaut()
    for name, picture in (("pictures", pixels), ("masks", hole)):
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "a.png")
    places = {"input": str(tmp_path / "pictures"), "masks": str(tmp_path / "masks"), "output": str(tmp_path / "out")}
    counts = restore(weights=tiny_weights, workers=0, **places)
    assert sum(counts.values()) == 1
    restored = restore_photograph(inpainter, pixels, hole)
    assert np.array_equal(restored, np.asarray(Image.open(tmp_path / "out" / "a.png")))
    assert not np.array_equal(restored, pixels)
    marked = restore_photograph(inpainter, pixels, hole > 0, grow_holes=0)
    assert np.array_equal(marked[hole == 0], pixels[hole == 0])


def test_in_memory_the_model_fills_every_hole(inpainter):
    """One hole lies on a face and one on none."""
    pixels, hole = astronaut()
    by_model = inpainter(pixels, hole)
    assert np.array_equal(by_model, restore_photograph(inpainter, pixels, hole, no_face="crop"))
    assert not np.array_equal(by_model, restore_photograph(inpainter, pixels, hole))


def test_kind_and_size_come_back(inpainter, tiny_weights):
    image, hole = Image.open(io.BytesIO(png(0, (80, 120)))), Image.open(io.BytesIO(mask(20, 30, 12, (80, 120))))
    restored = restore_photograph(inpainter, image, hole)
    assert isinstance(restored, Image.Image)
    assert (restored.size, restored.mode) == (image.size, image.mode)
    by_name = restore_photograph(tiny_weights, np.asarray(image), np.asarray(hole))
    assert np.array_equal(by_name, np.asarray(restored))
    turned = restore_photograph(inpainter, image, Image.eval(hole, lambda v: 255 - v), mask_polarity="black-is-hole")
    assert np.array_equal(np.asarray(turned), np.asarray(restored))


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_other_kinds_of_pictures_keep_theirs(mode, inpainter):
    image, hole = Image.open(io.BytesIO(png(0, (80, 120)))), mask(20, 30, 12, (80, 120))
    deep = np.asarray(image.convert("L")).astype(np.uint16) * 257
    image = Image.fromarray(deep) if mode == "I;16" else image.convert(mode)
    restored = restore_photograph(inpainter, image, Image.open(io.BytesIO(hole)), grow_holes=0)
    assert restored.mode == mode
    changed = np.asarray(restored) != np.asarray(image)
    inside = np.asarray(Image.open(io.BytesIO(hole))) > 0
    assert changed[inside].any()
    assert not changed[~inside].any()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image": np.zeros((8, 8, 3))}, "the image is float64"),
        ({"image": np.zeros((0, 8, 3), np.uint8)}, r"the image is uint8 \(0, 8, 3\)"),
        ({"image": Image.new("RGB", (0, 8))}, "the image has no pixels: 0x8"),
        ({"image": Image.new("CMYK", (80, 80))}, "mode CMYK cannot be restored: convert it to RGB"),
        ({"mask": np.zeros((80, 120), np.uint8)}, "empty mask"),
        ({"mask": np.full((20, 20), 255, np.uint8)}, "the mask is"),
        ({"no_face": "skip"}, "no face at a hole"),
    ],
)
def test_what_a_ledger_would_say_is_raised(change, told, inpainter):
    image, hole = Image.open(io.BytesIO(png(0, (80, 120)))), Image.open(io.BytesIO(mask(20, 30, 12, (80, 120))))
    with pytest.raises(InputError, match=told):
        restore_photograph(inpainter, **({"image": image, "mask": hole} | change))
