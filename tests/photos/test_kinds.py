"""Every kind of file that is decoded whole comes back exactly, or says that it was recoded."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageCms

from faceinpaint.errors import NoPhotographError
from faceinpaint.photos.photo import encode_photo, read_photo
from faceinpaint.photos.provenance import with_provenance
from tests.encoded import encoded

FACE = np.ascontiguousarray(skimage.data.astronaut()[:120, 100:231])
HOLE = np.zeros(FACE.shape[:2], np.uint8)
HOLE[60:83, 41:90] = 1
RNG = np.random.default_rng(6)
ALPHA = RNG.integers(0, 256, FACE.shape[:2], np.uint8)
RGBA = Image.fromarray(np.dstack([FACE, ALPHA]))
OPAQUE = Image.fromarray(np.dstack([FACE, np.full_like(ALPHA, 255)]))
HOLED = Image.fromarray(np.dstack([FACE, 255 * (1 - HOLE)]))
RGB, GREY = Image.fromarray(FACE), Image.fromarray(FACE[..., 0])
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = {"lossless": True, "exact": True}


KINDS = {
    "webp": encoded(RGB, "WEBP", **LOSSLESS),
    "webp with alpha": encoded(RGBA, "WEBP", **LOSSLESS),
    "webp with alpha, profile in front": encoded(RGBA, "WEBP", icc_profile=PROFILE, **LOSSLESS),
    "tga": encoded(RGB, "TGA"),
    "tga with alpha, runs": encoded(RGBA, "TGA", compression="tga_rle"),
    "tga from the bottom": encoded(RGB, "TGA", orientation=-1, id_section=b"scan 7"),
    "grey tga": encoded(GREY, "TGA"),
    "palette bmp": encoded(RGB.quantize(100), "BMP"),
    "grey bmp": encoded(GREY, "BMP"),
    "bits bmp": encoded(RGB.convert("1"), "BMP"),
    "pbm": encoded(RGB.convert("1"), "PPM"),
    "pgm": encoded(GREY, "PPM"),
    "interlaced gif": encoded(RGB.quantize(90), "GIF", interlace=1),
    "grey gif": encoded(GREY, "GIF"),
    "palette tiff": encoded(RGB.quantize(64), "TIFF", compression="tiff_lzw"),
    "fax tiff": encoded(RGB.convert("1"), "TIFF", compression="group4"),
    "bits tiff": encoded(RGB.convert("1"), "TIFF"),
    "png": encoded(RGB, "PNG"),
    "png of a clear colour": encoded(RGB, "PNG", transparency=tuple(FACE[3, 3].tolist())),
    "png of four greys": encoded(GREY.quantize(4), "PNG", bits=2),
}


@pytest.mark.parametrize("name", KINDS)
def test_outside_the_hole_every_pixel_is_the_input_s(name):
    photo = read_photo(KINDS[name])
    change = photo.whole().change(FACE[::-1].copy(), HOLE)
    written = encode_photo(photo.file, change, with_provenance(None, {"Hole": "0.1"}))
    assert written.fidelity == "exact"
    before, after = (Image.open(io.BytesIO(data)) for data in (KINDS[name], written.data))
    assert after.format == before.format
    a, b = (np.asarray(image.convert("RGBA")) for image in (before, after))
    assert np.array_equal(a[HOLE == 0], b[HOLE == 0])
    assert np.abs(a.astype(int) - b)[HOLE == 1].mean() > 10
    if "grey" not in name and "bits" not in name and "greys" not in name and name not in ("pbm", "pgm", "fax tiff"):
        share = b[..., 3:] / 255  # as seen on white paper
        seen, clear = b[..., :3] * share + 255 * (1 - share), b[..., 3] > 220
        assert np.abs(seen - FACE[::-1])[(HOLE == 1) & clear].mean() < 12
    assert after.info.get("icc_profile") == before.info.get("icc_profile")


@pytest.mark.parametrize("picture", [HOLED, OPAQUE])
def test_a_webp_whose_alpha_becomes_opaque_is_written(picture):
    photo = read_photo(encoded(picture, "WEBP", **LOSSLESS))
    change = photo.whole().change(FACE, HOLE, opaque=True)
    again = Image.open(io.BytesIO(encode_photo(photo.file, change, b"<x/>").data)).convert("RGBA")
    assert np.array_equal(np.asarray(again)[..., :3], FACE)
    assert (np.asarray(again)[..., 3] == 255).all()


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_what_is_coded_anew_says_so(kind):
    photo = read_photo(encoded(RGB, kind, quality=80))
    written = encode_photo(photo.file, photo.whole().change(FACE, HOLE), with_provenance(None, {"Hole": "0.1"}))
    assert written.fidelity.startswith("recoded: ")
    assert "95" in written.fidelity


def test_a_grey_webp_chunk_of_credentials_is_named():
    data = encoded(RGB, "WEBP", icc_profile=PROFILE, **LOSSLESS)
    data += b"C2PA\x04\0\0\0jumb" + b"abcd\x02\0\0\0xy"
    data = data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]
    photo = read_photo(data)
    written = encode_photo(photo.file, photo.whole().change(FACE, HOLE), b"<x/>")
    assert written.dropped == ["content credentials (they would no longer verify)", "chunk abcd"]
    assert b"C2PA" not in written.data


def test_an_animated_gif_is_refused():
    with pytest.raises(NoPhotographError, match="several pictures"):
        read_photo(encoded(RGB, "GIF", save_all=True, append_images=[GREY]))
