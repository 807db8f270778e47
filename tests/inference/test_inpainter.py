"""The Python API reads masks as bulk restoration does."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from faceinpaint import Inpainter
from faceinpaint.errors import InputError

HOLE = np.zeros((32, 32), np.uint8)
HOLE[8:16, 10:20] = 1
PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def inpainter(tiny_weights):
    return Inpainter.load(tiny_weights)


@pytest.mark.slow
def test_loading_imports_no_compiler(tiny_weights):
    """Of any network. It takes seconds, and in some versions of Triton it says at the end that it leaks."""
    code = """
import sys
from faceinpaint import Inpainter
from faceinpaint.load_config import load_preset
from faceinpaint.models.build import NETWORKS
from faceinpaint.models.state_dict import unfilled
for method in ("two-stage", "structure"):
    Inpainter.load(sys.argv[1], method, device="cpu")
for build in NETWORKS.values():
    with unfilled():
        build(load_preset("tiny"))
print("torch._dynamo" in sys.modules, "triton" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, tiny_weights], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
    assert done.stderr == ""


def palette():
    image = Image.fromarray(1 - HOLE)  # index 0 is white
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


def jpeg():
    sink = io.BytesIO()
    Image.fromarray(HOLE * 255).save(sink, "JPEG", quality=90)
    return Image.open(io.BytesIO(sink.getvalue()))


MASKS = {
    "bool": HOLE > 0,
    "0 and 1": HOLE,
    "0 and 255": HOLE * 255,
    "PIL": Image.fromarray(HOLE * 255),
    "a palette": palette(),
    "a JPEG": jpeg(),
    "red on black": Image.fromarray(np.where(HOLE[..., None] > 0, np.uint8([255, 0, 0]), np.uint8(0))),
}


@pytest.mark.parametrize("kind", MASKS)
def test_every_mask_means_the_same_hole(inpainter, kind):
    restored = inpainter(PICTURE, MASKS[kind])
    assert np.array_equal(restored, inpainter(PICTURE, HOLE))
    assert np.array_equal(restored[HOLE == 0], PICTURE[HOLE == 0])
    assert (restored[HOLE > 0] != PICTURE[HOLE > 0]).any()


def test_polarity_and_growth_are_as_in_bulk(inpainter):
    inverted = inpainter(PICTURE, 1 - HOLE, mask_polarity="black-is-hole")
    assert np.array_equal(inverted, inpainter(PICTURE, HOLE))
    grown = inpainter(PICTURE, HOLE, grow_holes=2)
    changed = (grown != PICTURE).any(-1)
    assert changed[7, 12]
    assert not changed[4, 12]


def test_the_kind_that_came_in_goes_out(inpainter):
    restored = inpainter(Image.fromarray(PICTURE), HOLE)
    assert isinstance(restored, Image.Image)
    assert np.array_equal(np.asarray(restored), inpainter(PICTURE, HOLE))


@pytest.mark.parametrize(
    ("mask", "reason"),
    [(HOLE[:20], "the mask is 32x20, the picture 32x32"), (HOLE * 0, "empty mask"), (1 - HOLE, "likely inverted")],
)
def test_masks_that_cannot_be_meant_are_refused(inpainter, mask, reason):
    with pytest.raises(InputError, match=reason):
        inpainter(PICTURE, mask)


@pytest.mark.parametrize("mode", ["LAB", "HSV", "YCbCr", "L", "RGBA", "P"])
def test_bands_that_are_not_rgb_are_not_taken_for_it(inpainter, mode):
    image = Image.new(mode, PICTURE.shape[1::-1])
    with pytest.raises(InputError, match=f"the image is of mode {mode}: convert it to RGB"):
        inpainter(image, HOLE)


def test_a_picture_without_pixels_is_refused(inpainter):
    with pytest.raises(InputError, match=r"the image is uint8 \(0, 0, 3\)"):
        inpainter(np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0), np.uint8))
