"""Painting by touched units gives what painting the whole box around all holes gives."""

import io

import imagecodecs
import jpegio
import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy import fft

from faceinpaint.photos import jpeg_blocks
from faceinpaint.photos.coding import Change
from faceinpaint.photos.jpeg import change_blocks
from faceinpaint.photos.jpeg_blocks import BLOCK, LARGEST, YCC_OF_RGB

FACE = np.ascontiguousarray(skimage.data.astronaut()[:150, 100:261])  # neither side a multiple of a block
SAMPLINGS = ("444", "422", "420", "440", "411")


def coded(picture, subsampling="444", **options):
    if picture.ndim == 2 or options:
        names = {"444": 0, "422": 1, "420": 2}
        sink = io.BytesIO()
        Image.fromarray(picture).save(sink, "JPEG", quality=90, subsampling=names[subsampling], **options)
        return sink.getvalue()
    return imagecodecs.jpeg8_encode(picture, level=90, subsampling=subsampling)


CODINGS = {name: coded(FACE, name) for name in SAMPLINGS} | {
    "grey": coded(FACE[..., 0]),
    "progressive": coded(FACE, "420", progressive=True),
    "own quantisation": coded(FACE, "422", qtables=[[1] * 64, [5 + i for i in range(64)]]),
}


def plain(data, change, folder):
    """Coefficients of each component, painted in the whole box around the hole."""
    path = folder / "plain.jpg"
    path.write_bytes(data)
    jpeg = jpegio.read(str(path))
    slots = sorted(Image.open(path).quantization)
    wide, high = BLOCK * jpeg.max_h_samp_factor, BLOCK * jpeg.max_v_samp_factor
    height, width = change.hole.shape
    left, top = change.left % wide, change.top % high
    margins = ((top, -(top + height) % high), (left, -(left + width) % wide))
    ends = (change.top + height == jpeg.image_height, change.left + width == jpeg.image_width)
    values = change.samples.astype(np.float32)
    if values.shape[2] == 3:
        values = (values @ YCC_OF_RGB.T + [0, 128, 128]).astype(np.float32)
    hole = padded(change.hole.astype(np.float32), margins, ends)
    result = []
    for i, part in enumerate(jpeg.comp_info):
        across, down = jpeg.max_h_samp_factor // part.h_samp_factor, jpeg.max_v_samp_factor // part.v_samp_factor
        table = jpeg.quant_tables[slots.index(part.quant_tbl_no)].astype(np.float32)
        coefficients = jpeg.coef_arrays[i].copy()
        target = coefficients[(change.top - top) // down :, (change.left - left) // across :]
        share, new = (shrunk(a, across, down) for a in (hole, padded(values[..., i] - 128, margins, ends) * hole))
        for y in range(0, min(len(target), len(share)), BLOCK):
            for x in range(0, min(target.shape[1], share.shape[1]), BLOCK):
                block = np.s_[y : y + BLOCK, x : x + BLOCK]
                if share[block].any():
                    old = fft.idctn(target[block] * table, norm="ortho")
                    mixed = fft.dctn(old * (1 - share[block]) + new[block], norm="ortho")
                    target[block] = np.rint(mixed / table).clip(-LARGEST, LARGEST)
        result.append(coefficients)
    return result


def padded(array, margins, ends):
    """Zeros above and to the left; below and to the right too, but for the last pixels at the picture's ends."""
    array = np.pad(array, [(before, 0) for before, _ in margins])
    for axis, (_, after) in enumerate(margins):
        width = [(0, after if a == axis else 0) for a in range(2)]
        array = np.pad(array, width, mode="edge" if ends[axis] else "constant")
    return array


def shrunk(array, across, down):
    return array.reshape(array.shape[0] // down, down, array.shape[1] // across, across).mean((1, 3))


def holes(rng):
    """Boxes (top, left, hole): specks all over, specks within a part, one hole, specks at the ends."""
    height, width = FACE.shape[:2]
    specks = rng.random((height, width)) < 0.002
    yield 0, 0, specks
    yield 21, 37, rng.random((70, 53)) < 0.01
    yield 43, 11, np.ones((30, 41), bool)
    ends = rng.random((61, 45)) < 0.004
    ends[-1, -1] = ends[-1, 3] = ends[5, -1] = True
    yield height - 61, width - 45, ends


@pytest.mark.parametrize("at_once", [3, 2048])
@pytest.mark.parametrize("name", CODINGS)
def test_touched_units_get_what_the_whole_box_would_give(name, at_once, tmp_path, monkeypatch):
    monkeypatch.setattr(jpeg_blocks, "AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    for top, left, hole in holes(rng):
        samples = rng.integers(0, 256, (*hole.shape, 1 if name == "grey" else 3), np.uint8)
        change = Change(samples=samples, hole=hole, left=left, top=top)
        path = tmp_path / "new.jpg"
        path.write_bytes(change_blocks(CODINGS[name], change))
        assert all(map(np.array_equal, jpegio.read(str(path)).coef_arrays, plain(CODINGS[name], change, tmp_path)))


def test_nothing_is_computed_away_from_the_holes(monkeypatch):
    """Two specks in opposite corners: two units, not the picture between them."""
    hole = np.zeros(FACE.shape[:2], bool)
    hole[2, 3] = hole[140, 150] = True
    seen = []
    components = jpeg_blocks._components
    monkeypatch.setattr(jpeg_blocks, "_components", lambda a, space: seen.append(a.shape) or components(a, space))
    change_blocks(CODINGS["420"], Change(samples=FACE, hole=hole))
    assert seen == [(2, 16, 16, 3)]
