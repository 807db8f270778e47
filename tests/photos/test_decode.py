"""One decoder for prepare, train and evaluate: it sees what restoration sees, and more kinds of files."""

import io
import struct
from contextlib import suppress

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image

from faceinpaint.errors import InputError
from faceinpaint.photos.decode import decode_picture, decode_rgb
from faceinpaint.photos.photo import read_photo
from tests.encoded import encoded

FACE = np.ascontiguousarray(skimage.data.astronaut()[:200, 100:340])
GREY = np.asarray(Image.fromarray(FACE).convert("L"))


def tiff(array, **options):
    sink = io.BytesIO()
    tifffile.imwrite(sink, array, metadata=None, **options)
    return sink.getvalue()


GREYS = {
    "16 bit PNG": encoded(GREY.astype(np.uint16) * 257, "PNG"),
    "16 bit TIFF": tiff(GREY.astype(np.uint16) * 257),
    "12 bit TIFF": tiff(np.rint(GREY * (4095 / 255)).astype(np.uint16)),
    "16 bit TIFF, white is zero": tiff(65535 - GREY.astype(np.uint16) * 257, photometric="miniswhite"),
    "32 bit integers": tiff(GREY.astype(np.uint32) * 16843009),
    "32 bit integers of 8": tiff(GREY.astype(np.int32)),
    "floats": tiff((GREY / 255).astype(np.float32)),
    "floats to 255": tiff(GREY.astype(np.float32)),
    "Pillow's floats": encoded(GREY.astype(np.float32) / 255, "TIFF"),
    "16 bit PGM": b"P5 240 200 65535\n" + (GREY.astype(np.uint16) * 257).astype(">u2").tobytes(),
}
COLOURS = {
    "planes of 16 bits": tiff(
        np.moveaxis(FACE.astype(np.uint16) * 257, -1, 0), planarconfig="separate", photometric="rgb"
    ),
    "floats": tiff((FACE / 255).astype(np.float32), photometric="rgb"),
    "32 bit integers": tiff(FACE.astype(np.uint32) * 16843009, photometric="rgb"),
    "14 bits": tiff(np.rint(FACE * (16383 / 255)).astype(np.uint16), photometric="rgb"),
    "BigTIFF": tiff(FACE, bigtiff=True, photometric="rgb"),
    "TGA": encoded(FACE, "TGA"),
    "two pictures": encoded(FACE, "TIFF", save_all=True, append_images=[Image.fromarray(FACE[::-1])]),
    "an animation": encoded(FACE, "PNG", save_all=True, append_images=[Image.fromarray(FACE[::-1])]),
}


@pytest.mark.parametrize("kind", GREYS)
def test_greys_of_every_depth_are_the_same_picture(kind):
    seen = decode_rgb(GREYS[kind])
    assert np.abs(seen.astype(int) - GREY[..., None]).max() <= 1


@pytest.mark.parametrize("kind", COLOURS)
def test_colours_of_every_depth_are_the_same_picture(kind):
    assert np.abs(decode_rgb(COLOURS[kind]).astype(int) - FACE).max() <= 1


def test_transparent_colours_stay_hidden():
    alpha = np.zeros(GREY.shape, np.uint8)
    alpha[:, :120] = 255
    seen = decode_rgb(encoded(np.dstack([FACE, alpha]), "PNG"))
    assert np.array_equal(seen[:, :120], FACE[:, :120])
    assert (seen[:, 120:] == 255).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_restoration_sees_the_same(kind):
    data = encoded(FACE, kind)
    assert np.array_equal(decode_rgb(data), read_photo(data).rgb)


def test_odd_exif_costs_nothing_and_turns_the_picture():
    """A resolution of -1/0, which a library that writes EXIF anew cannot: only the orientation is asked for."""
    entries = [struct.pack("<HHIHH", 0x112, 3, 1, 6, 0), struct.pack("<HHII", 0x11A, 10, 1, 38)]
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + b"".join(entries) + bytes(4) + struct.pack("<ii", -1, 0)
    jpeg = encoded(np.ascontiguousarray(np.rot90(FACE)), "JPEG", quality=95)
    data = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    seen = decode_picture(data)
    assert seen.orientation == 6
    assert np.abs(seen.rgb.astype(int) - FACE).mean() < 4


@pytest.mark.parametrize("data", [b"", b"text", b"II*\0nothing", GREYS["floats"][:300], encoded(FACE, "PNG")[:900]])
def test_whatever_is_wrong_is_said_in_one_line(data):
    with pytest.raises(InputError, match=r"not a (readable )?picture") as caught:
        decode_rgb(data)
    assert "\n" not in str(caught.value)


def test_garbled_files_never_raise_anything_else():
    random = np.random.default_rng(0)
    for data in (GREYS["floats"], COLOURS["planes of 16 bits"], encoded(FACE, "JPEG"), encoded(FACE, "GIF")):
        for _ in range(20):
            noisy = bytearray(data)
            for place in random.integers(0, min(len(data), 600), 6):
                noisy[place] = random.integers(256)
            with suppress(InputError):
                assert decode_rgb(bytes(noisy)).dtype == np.uint8
