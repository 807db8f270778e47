"""JPEG 2000 comes back without loss, with its boxes; a GIF keeps its palette."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
import skimage.data
from PIL import Image

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.photos.gif import write_gif
from faceinpaint.photos.jp2 import is_jp2, read_jp2, size_and_xmp, write_jp2

FACE = np.ascontiguousarray(skimage.data.astronaut()[:150, 100:261])
HOLE = np.zeros(FACE.shape[:2], bool)
HOLE[60:83, 41:90] = True
DEEP = FACE.astype(np.uint16) * 257


def pillow(picture, **options):
    sink = io.BytesIO()
    picture.save(sink, "JPEG2000", **options)
    return sink.getvalue()


RGBA = np.dstack([FACE, FACE[..., :1]])
KINDS = {
    "RGB": pillow(Image.fromarray(FACE)),
    "tiles": pillow(Image.fromarray(FACE), tile_size=(64, 64)),
    "with loss": pillow(Image.fromarray(FACE), irreversible=True, quality_mode="dB", quality_layers=[38]),
    "grey": pillow(Image.fromarray(FACE[..., 0])),
    "alpha": pillow(Image.fromarray(RGBA)),
    "16 bits": imagecodecs.jpeg2k_encode(DEEP, level=0, reversible=True),
    "12 bits": imagecodecs.jpeg2k_encode(DEEP >> 4, level=0, reversible=True, bitspersample=12),
    "codestream": pillow(Image.fromarray(FACE), no_jp2=True),
}


@pytest.mark.parametrize("name", KINDS)
def test_no_sample_outside_the_hole_moves(name):
    data = KINDS[name]
    assert is_jp2(data)
    before, largest, mode, _ = read_jp2(data)
    assert largest == {"16 bits": 65535, "12 bits": 4095}.get(name, 255)
    if name == "16 bits":
        assert np.array_equal(before, DEEP)
    new = before.copy()
    new[HOLE, :1] = largest // 2
    after, dropped = write_jp2(data, new, b"<x/>")
    again, same, same_mode, _ = read_jp2(after)
    size, xmp = size_and_xmp(after)
    assert size == FACE.shape[:2]
    assert np.array_equal(again, new)
    assert (same, same_mode, dropped) == (largest, mode, [])
    assert xmp == (None if name == "codestream" else b"<x/>")
    seen = np.asarray(Image.open(io.BytesIO(after)))
    if largest == 255:
        assert np.array_equal(seen.reshape(new.shape), new)


def test_boxes_stay_and_old_statements_go():
    own, old = (struct.pack(">I4s", 8 + len(c), k) + c for k, c in [(b"xml ", b"<mine/>"), (b"jumb", b"c2pa")])
    data = KINDS["RGB"]
    place = data.index(b"jp2c") - 4
    data = data[:place] + own + old + data[place:]
    once, dropped = write_jp2(data, FACE, b"<one/>")
    assert own in once
    assert old not in once
    assert dropped == ["content credentials (they would no longer verify)"]
    twice, _ = write_jp2(once, FACE, b"<two/>")
    assert b"<one/>" not in twice
    assert size_and_xmp(twice)[1] == b"<two/>"


def test_what_would_change_is_refused_and_damage_is_told():
    data = KINDS["alpha"]
    place = data.index(b"cdef")
    with pytest.raises(NoPhotographError, match="transparency"):
        read_jp2(
            data[: place + 6] + data[place + 6 :].replace(struct.pack(">HHH", 3, 1, 0), struct.pack(">HHH", 3, 2, 0))
        )
    with pytest.raises(InputError, match="not a readable picture"):
        read_jp2(KINDS["RGB"][:300])


@pytest.mark.parametrize("colours", [256, 40])
def test_a_gif_keeps_every_place_of_its_palette(colours):
    sink = io.BytesIO()
    Image.fromarray(FACE).quantize(colours).save(sink, "GIF", comment=b"from a site", transparency=3)
    before = Image.open(io.BytesIO(sink.getvalue()))
    before.load()
    new = np.broadcast_to(np.array([10, 200, 30], np.uint8), FACE.shape)
    after = Image.open(io.BytesIO(write_gif(before, new, HOLE, opaque=True)))
    seen = np.asarray(after)
    assert after.mode == "P"
    assert np.array_equal(seen[~HOLE], np.asarray(before)[~HOLE])
    assert np.array_equal(np.asarray(after.convert("RGB"))[~HOLE], np.asarray(before.convert("RGB"))[~HOLE])
    error = np.abs(np.asarray(after.convert("RGB")).astype(int) - new)[HOLE].max()
    assert error <= (0 if colours == 40 else 255)
    assert after.info["transparency"] == 3
    assert after.info["comment"] == b"from a site"


def test_transparent_pixels_of_a_gif_stay_so_unless_they_are_the_hole():
    places = np.zeros(FACE.shape[:2], np.uint8)
    places[60:70] = 1
    picture = Image.fromarray(places, "P")
    picture.putpalette([200, 0, 0, 0, 0, 0])
    sink = io.BytesIO()
    picture.save(sink, "GIF", transparency=1)
    before = Image.open(io.BytesIO(sink.getvalue()))
    before.load()
    for opaque in (False, True):
        after = Image.open(io.BytesIO(write_gif(before, FACE, HOLE, opaque))).convert("RGBA")
        clear = np.asarray(after)[..., 3] == 0
        assert clear[60:70][HOLE[60:70]].any() != opaque
        assert clear[60:70][~HOLE[60:70]].all()
