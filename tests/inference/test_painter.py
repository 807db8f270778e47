"""What the model paints does not depend on company, nor on whether its attention is asked for."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.painter import paint, paint_and_tell

SIDE = 32  # of preset tiny


@pytest.fixture(scope="module")
def inpainter(tiny_weights):
    return Inpainter.load(tiny_weights, device="cpu")


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, SIDE, SIDE, 3), np.uint8)
    holes = np.zeros((5, SIDE, SIDE), np.uint8)
    for i, hole in enumerate(holes):
        hole[4 + i : 12 + 2 * i, 6:14] = 1
    return images, holes


def test_attention_is_read_off_without_touching_the_picture(inpainter, batch):
    images, holes = batch
    restored, sources, _ = inpainter.restore_and_tell(images, holes, 2)
    assert np.array_equal(restored, inpainter.restore_batch(images, holes))
    cells = sources.holes.shape[1]
    grid = round(cells**0.5)
    cell = SIDE // grid
    touched = holes.reshape(5, grid, cell, grid, cell).max((2, 4)).reshape(5, cells) > 0
    assert np.array_equal(sources.holes, touched)
    assert sources.cells.shape == sources.weights.shape == (5, cells, 2)
    assert not np.take_along_axis(touched[:, None], sources.cells, 2).any()  # context alone is looked at
    assert (sources.weights[..., 0] >= sources.weights[..., 1]).all()
    assert (sources.weights.sum(2) <= 1 + 1e-5).all()


def test_guides_and_pictures_do_not_depend_on_company(inpainter, batch):
    images, holes = batch
    wanted = np.array([True, False, True, True, False])
    painted, guides, errors = paint_and_tell(inpainter, images, holes, wanted)
    assert [guide is not None for guide in guides] == wanted.tolist()
    assert np.array_equal(painted, paint(inpainter, images, holes))
    for i in np.flatnonzero(wanted):
        alone, (guide,), (error,) = paint_and_tell(inpainter, images[i : i + 1], holes[i : i + 1], np.array([True]))
        assert np.array_equal(alone[0], painted[i])
        assert np.array_equal(guide.sources, guides[i].sources)
        assert np.array_equal(guide.weights, guides[i].weights)
        assert np.isnan(error)
        assert np.isnan(errors).all()  # of a first stage that draws windows alone


@pytest.mark.parametrize(("size", "sides"), [(1, [1] * 5), (3, [3] * 3), (8, [8] * 2)])
def test_every_pass_has_the_same_number_of_patches(inpainter, batch, size, sides, monkeypatch):
    images, holes = batch
    seen, told = [], inpainter.restore_and_tell
    monkeypatch.setattr(
        inpainter, "restore_and_tell", lambda crops, *args: seen.append(len(crops)) or told(crops, *args)
    )
    painted, _, _ = paint_and_tell(inpainter, images, holes, np.zeros(5, bool), size)
    assert seen == sides  # of windows of two sizes: two patches and three
    assert np.abs(painted.astype(int) - paint(inpainter, images, holes)).max() <= 1


def test_a_method_without_attention_has_no_guides(tiny_weights, batch):
    structure = Inpainter.load(tiny_weights, method="structure", device="cpu")
    painted, guides, _ = paint_and_tell(structure, *batch, np.ones(5, bool))
    assert guides == [None] * 5
    assert np.array_equal(painted, paint(structure, *batch))


def test_the_python_api_restores_photographs_of_any_size(inpainter):
    """A hole in a face, one apart from it and a scratch, in one call; outside them the photograph is the input."""
    picture = astronaut()
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[85:120, 200:245] = mask[400:440, 20:60] = mask[300:400, 300:303] = 255
    restored = inpainter(Image.fromarray(picture), Image.fromarray(mask))
    assert isinstance(restored, Image.Image)
    changed = (np.asarray(restored) != picture).any(-1)
    assert not changed[mask == 0].any()
    assert changed[85:120, 200:245].mean() > 0.9
    assert changed[300:400, 300:303].any()
    assert np.array_equal(inpainter(picture, mask), np.asarray(restored))
