"""TIFFs of 32 bits and of floats: seen by their range, filled in it, and exact outside the hole."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import tifffile

from faceinpaint.data.mask_spec import parse_masks
from faceinpaint.encoding import mask_png
from faceinpaint.inference.document import examine, finish
from faceinpaint.inference.travel import Painted, Settings
from faceinpaint.photos.photo import encode_photo, read_photo
from faceinpaint.photos.tiff_container import read_tiff

FACE = np.ascontiguousarray(skimage.data.astronaut()[:150, 100:261])
GREY = FACE[..., 1]
HOLE = np.zeros(FACE.shape[:2], np.uint8)
HOLE[60:83, 41:90] = 1
INSIDE = HOLE > 0
NEW = np.random.default_rng(0).integers(0, 256, FACE.shape, np.uint8)


def written(array, **options):
    sink = io.BytesIO()
    kind = "rgb" if array.ndim == 3 else "minisblack"
    tifffile.imwrite(sink, array, **({"metadata": None, "photometric": kind, "rowsperstrip": 16} | options))
    return sink.getvalue()


def unlike(kind, scale=1.0, offset=0.0):
    """The face in fine steps that 8 bits do not have."""
    noise = np.random.default_rng(1).uniform(-0.4, 0.4, FACE.shape)
    return ((FACE + noise).clip(0, 255) / 255 * scale + offset).astype(kind)


FLOAT = unlike(np.float32)
PLANES = {"planarconfig": "separate"}
KINDS = {
    "float": (FLOAT, {}, 0, 1),
    "float, deflate, predictor of floats": (FLOAT, {"compression": "zlib", "predictor": 3}, 0, 1),
    "float, LZW": (FLOAT, {"compression": "lzw"}, 0, 1),
    "float, big-endian": (FLOAT, {"compression": "zlib", "predictor": 3, "byteorder": ">"}, 0, 1),
    "float, tiles": (FLOAT, {"tile": (48, 64), "rowsperstrip": None, "compression": "zstd"}, 0, 1),
    "half floats": (unlike(np.float16), {}, 0, 1),
    "double": (unlike(np.float64), {"compression": "zlib"}, 0, 1),
    "double, big-endian BigTIFF": (unlike(np.float64), {"byteorder": ">", "bigtiff": True}, 0, 1),
    "float of 255": (unlike(np.float32, 255), {}, 0, 255),
    "float of 65535": (unlike(np.float32, 65535), {}, 0, 65535),
    "32 bits": (unlike(np.uint32, 2**32 - 1), {}, 0, 2**32 - 1),
    "32 bits, LZW, predictor, big-endian": (
        unlike(np.uint32, 2**32 - 1),
        {"compression": "lzw", "predictor": 2, "byteorder": ">"},
        0,
        2**32 - 1,
    ),
    "24 bits in 32": (unlike(np.uint32, 2**24 - 1), {"compression": "packbits"}, 0, 2**24 - 1),
}


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_the_hole_gets_the_pictures_own_range_and_the_rest_stays(name, planes):
    samples, options, black, white = KINDS[name]
    stored = np.ascontiguousarray(np.moveaxis(samples, -1, 0)) if planes else samples
    data = written(stored, **options, **(PLANES if planes else {}))
    photo = read_photo(data)
    assert np.abs(photo.rgb.astype(int) - FACE).max() <= 1
    written_file = encode_photo(
        photo.file, photo.whole(photo.view(HOLE)).change(NEW, HOLE), b"<x/>", False, photo.decoded
    )
    assert written_file.fidelity == "exact"
    after = tifffile.imread(io.BytesIO(written_file.data))
    after = np.moveaxis(after, 0, -1) if planes else after
    assert after.dtype == samples.dtype
    assert np.array_equal(after[~INSIDE], samples[~INSIDE])
    wanted = black + NEW[INSIDE] / 255 * (white - black)
    assert np.allclose(
        after[INSIDE].astype(float),
        wanted,
        rtol=1e-3 if samples.dtype == np.float16 else 1e-6,
        atol=0.51 if white > 300 else 1e-6,
    )
    old, new = read_tiff(data).pages[0], read_tiff(written_file.data).pages[0]
    same = [a == b for a, b in zip(old.segments, new.segments, strict=True)]
    assert 0 < sum(same) < len(same)
    kept = {tag: value for tag, value in new.tags.items() if tag != 700}
    assert kept == old.tags


@pytest.mark.parametrize(("low", "high"), [(-2.0, 5.0), (0.0, 3.7), (1000.0, 1500.0)])
def test_other_floats_reach_from_their_darkest_to_their_brightest_valid_pixel(low, high):
    samples = unlike(np.float32, high - low, low)
    samples[INSIDE] = 1e6  # damage is no witness
    samples[0, 0] = np.nan  # and stays where it is
    samples[0, 1] = -np.inf
    photo = read_photo(written(samples))
    part = photo.whole(photo.view(HOLE))
    after = tifffile.imread(io.BytesIO(encode_photo(photo.file, part.change(NEW, HOLE), b"<x/>").data))
    assert after[~INSIDE].tobytes() == samples[~INSIDE].tobytes()
    valid = samples[~INSIDE & np.isfinite(samples).all(-1)]
    wanted = valid.min() + NEW[INSIDE] / 255 * (valid.max() - valid.min())
    assert np.allclose(after[INSIDE], wanted, rtol=1e-5, atol=1e-3)
    assert np.abs(part.rgb[~INSIDE].astype(int) - FACE[~INSIDE])[2:].max() <= 3


@pytest.mark.parametrize("alpha", [1.0, 255.0])
def test_transparency_of_floats_is_told_by_its_own_range(alpha):
    clear = np.full(GREY.shape, alpha, np.float32)
    clear[:, :20] = 0
    photo = read_photo(written(np.dstack([FLOAT, clear]), extrasamples=["unassalpha"]))
    assert photo.decoded.mode == "RGBA"
    assert np.array_equal(photo.alpha, np.where(clear > 0, 255, 0))
    part = photo.whole(photo.view(HOLE))
    after = read_photo(encode_photo(photo.file, part.change(NEW, HOLE), b"<x/>").data).decoded.samples
    assert np.array_equal(after[..., 3], clear)
    assert np.allclose(after[INSIDE][:, :3], NEW[INSIDE] / 255, atol=1e-6)


def test_a_grey_picture_of_floats_in_colour_channels_stays_grey():
    grey = np.repeat((GREY / 255).astype(np.float32)[..., None], 3, -1)
    photo = read_photo(written(grey))
    part = photo.whole(photo.view(HOLE))
    after = tifffile.imread(io.BytesIO(encode_photo(photo.file, part.change(NEW, HOLE), b"<x/>").data))
    assert (np.ptp(after, axis=-1) == 0).all()


def row_of(data, tmp_path, **options):
    (tmp_path / "mask.png").write_bytes(mask_png(HOLE))
    masks = parse_masks(str(tmp_path / "mask.png"))
    settings = Settings(output=str(tmp_path), masks=masks, image_size=64, alignment="celeba", **options)
    examined = examine("a.tif", data, None, settings)
    if examined.row.status:
        return examined.row
    return finish(Painted(examined=replace(examined), patches=examined.plan.crops), settings).row


def test_each_page_of_a_document_may_be_of_another_kind(tmp_path):
    pages = [FACE, FLOAT, unlike(np.uint32, 2**32 - 1), (GREY / 255).astype(np.float64)]
    sink = io.BytesIO()
    with tifffile.TiffWriter(sink) as writer:
        for page in pages:
            writer.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None)
    row = row_of(sink.getvalue(), tmp_path)
    assert (row.fidelity, row.output) == ("exact", "a.tif"), row
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        for page, before in zip(file.pages, pages, strict=True):
            after = page.asarray()
            assert after.dtype == before.dtype
            assert np.array_equal(after[~INSIDE], before[~INSIDE])
            assert not np.array_equal(after[INSIDE], before[INSIDE])


# A float TIFF whose tag says that whole numbers were subtracted: libtiff writes such files, tifffile does not.
PREDICTED = written(FLOAT, compression="zlib", predictor=3).replace(
    struct.pack("<HHII", 317, 3, 1, 3), struct.pack("<HHII", 317, 3, 1, 2)
)


@pytest.mark.parametrize(
    ("data", "options", "why"),
    [
        (written(FLOAT), {"as_png": True}, "a PNG holds 16 bits at most"),
        (written(FLOAT * np.float32(np.nan)), {}, "without a single number"),
        (written(FACE.astype(np.int32)), {}, "with a sign"),
        (PREDICTED, {}, "predictor 2"),
    ],
)
def test_what_has_no_clear_meaning_or_no_place_is_refused(data, options, why, tmp_path):
    row = row_of(data, tmp_path, **options)
    assert row.status == "skipped"
    assert why in row.reason
