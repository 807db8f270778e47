"""Photographs of every kind come back as they were outside the hole, with their metadata and a statement."""

import contextlib
import io

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.photos.coding import CAPTIONS, COMMENT
from faceinpaint.photos.photo import encode_photo, open_photo, read_photo
from faceinpaint.photos.pillow_file import is_deep_avif
from faceinpaint.photos.provenance import SOURCE_TYPE, with_provenance
from tests.encoded import encoded

RNG = np.random.default_rng(3)
COLOUR = RNG.integers(0, 256, (40, 30, 3), np.uint8)
HOLE = np.zeros((40, 30), np.uint8)
HOLE[10:20, 5:25] = 1
GREEN = np.broadcast_to(np.array([10, 200, 30], np.uint8), COLOUR.shape).copy()
XMP = with_provenance(None, {"Hole": "0.1"})
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def rewritten(data: bytes, new, hole, opaque=False, **options):
    photo = read_photo(data)
    part = photo.part((0, 0, *photo.rgb.shape[1::-1]))
    return encode_photo(photo.file, part.change(new, hole, opaque), XMP, **options)


def restored(data: bytes, hole=HOLE, new=GREEN, **options) -> Image.Image:
    again = Image.open(io.BytesIO(rewritten(data, new, hole, **options).data))
    again.load()
    return again


RGBA = np.dstack([COLOUR, RNG.integers(0, 256, (40, 30), np.uint8)])
DEEP = RNG.integers(0, 65536, (40, 30), np.uint16)
LOSSLESS = {
    "png": encoded(Image.fromarray(COLOUR), "PNG", icc_profile=SRGB, dpi=(300, 300)),
    "png-alpha": encoded(Image.fromarray(RGBA), "PNG"),
    "png-grey": encoded(Image.fromarray(COLOUR[..., 0]), "PNG"),
    "png-16": encoded(Image.fromarray(DEEP), "PNG"),
    "png-la": encoded(Image.fromarray(RGBA[..., 2:], "LA"), "PNG"),
    "tiff": encoded(Image.fromarray(COLOUR), "TIFF", compression="tiff_lzw"),
    "tiff-cmyk": encoded(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"),
    "tiff-16": encoded(Image.fromarray(DEEP), "TIFF"),
    "bmp": encoded(Image.fromarray(COLOUR), "BMP"),
    "webp": encoded(Image.fromarray(COLOUR), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_pictures_keep_every_sample_outside_the_hole(name):
    before, after = Image.open(io.BytesIO(LOSSLESS[name])), restored(LOSSLESS[name])
    assert (after.format, after.mode) == (before.format, before.mode)
    a, b = np.asarray(before), np.asarray(after)
    assert np.array_equal(a[HOLE == 0], b[HOLE == 0])
    assert not np.array_equal(a[HOLE == 1], b[HOLE == 1])
    assert after.info.get("icc_profile") == before.info.get("icc_profile")
    if name != "bmp":
        assert SOURCE_TYPE.encode() in after.info["xmp"]


def test_grey_16_bit_takes_the_new_grey_at_full_range():
    white = np.full_like(COLOUR, 255)
    assert (np.asarray(restored(LOSSLESS["png-16"], new=white))[HOLE == 1] == 65535).all()


def test_palettes_and_single_bits_change_no_colour():
    palette = Image.fromarray(COLOUR).quantize(16)
    after = restored(encoded(palette, "PNG"))
    assert np.array_equal(np.asarray(after)[HOLE == 0], np.asarray(palette.convert("RGB"))[HOLE == 0])
    bits = Image.fromarray(COLOUR[..., 0]).convert("1")
    after = restored(encoded(bits, "PNG"))
    assert np.array_equal(np.asarray(after)[HOLE == 0], np.asarray(bits.convert("L"))[HOLE == 0])


def test_alpha_is_kept_unless_the_hole_is_transparency():
    kept, opaque = (restored(LOSSLESS["png-alpha"], opaque=choice) for choice in (False, True))
    assert np.array_equal(np.asarray(kept)[..., 3], RGBA[..., 3])
    assert (np.asarray(opaque)[HOLE == 1, 3] == 255).all()
    assert np.array_equal(np.asarray(opaque)[HOLE == 0, 3], RGBA[HOLE == 0, 3])


def test_a_marked_hole_that_was_erased_from_the_picture_is_filled_and_seen():
    erased = np.dstack([COLOUR, np.where(HOLE > 0, 0, 255).astype(np.uint8)])
    after = np.asarray(restored(encoded(Image.fromarray(erased), "PNG")))
    assert np.array_equal(after[HOLE == 1], np.dstack([GREEN, np.full_like(HOLE, 255)])[HOLE == 1])
    assert np.array_equal(after[HOLE == 0], erased[HOLE == 0])
    key = Image.fromarray(np.where(HOLE[..., None] > 0, np.uint8(255), COLOUR // 2))  # its white is said to be clear
    after = np.asarray(restored(encoded(key, "PNG", transparency=(255, 255, 255))))
    assert (after[HOLE == 1, 3] == 255).all()
    cutout = np.dstack([COLOUR, np.zeros_like(HOLE)])  # nothing is seen around the hole either
    cutout[30:, :, 3] = 255
    after = np.asarray(restored(encoded(Image.fromarray(cutout), "PNG")))
    assert np.array_equal(after[..., 3], cutout[..., 3])


CODINGS = {"PNG": {}, "JPEG": {"quality": 95}, "TIFF": {}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}


def tag_of(data, kind):
    if kind == "TIFF":  # whose decoder turns the pixels and takes the tag away
        return tifffile.TiffFile(io.BytesIO(data)).pages[0].tags[0x0112].value
    return Image.open(io.BytesIO(data)).getexif().get(0x0112, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", CODINGS)
def test_a_turned_picture_stays_turned_and_its_hole_is_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = Image.fromarray(COLOUR[:4, :3]).resize((30, 40), Image.Resampling.BICUBIC)
    data = encoded(smooth, kind, exif=exif, **CODINGS[kind])
    photo = read_photo(data)
    seen = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert np.array_equal(photo.rgb, seen)
    hole = np.zeros(photo.rgb.shape[:2], np.uint8)
    hole[:16, 8:24] = 1
    new = np.full_like(photo.rgb, 77)
    after = rewritten(data, new, hole).data
    again = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(after))).convert("RGB")).astype(int)
    assert again.shape == seen.shape
    if kind in ("JPEG", "AVIF"):
        assert np.abs(again - seen)[hole == 0].mean() < 8 < np.abs(again - seen)[hole == 1].mean()
        assert np.abs(again[:16, 8:24] - 77).mean() < 8
    else:
        assert (again[hole == 1] == 77).all()
        assert np.array_equal(again[hole == 0], seen[hole == 0])
    assert tag_of(after, kind) == orientation


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_sixteen_bits_turn_with_their_tag(orientation):
    tag = [(274, 3, 1, orientation, True)]
    sink = io.BytesIO()
    tifffile.imwrite(sink, DEEP, extratags=tag)
    photo = read_photo(sink.getvalue())
    after = rewritten(sink.getvalue(), photo.rgb, np.zeros(photo.rgb.shape[:2], np.uint8)).data
    seen = [np.asarray(Image.open(io.BytesIO(data))) for data in (sink.getvalue(), after)]
    assert np.array_equal(*seen)
    assert np.array_equal(photo.rgb[..., 0], seen[0] >> 8)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_camera_position_and_profile_stay(kind):
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8769)[0x9003] = "2001:02:03 04:05:06"
    exif.get_ifd(0x8825)[1] = "N"
    data = encoded(Image.fromarray(COLOUR), kind, exif=exif, icc_profile=SRGB)
    after = restored(data)
    found = after.getexif()
    assert found[0x010F] == "Camera"
    assert found.get_ifd(0x8769)[0x9003] == "2001:02:03 04:05:06"
    assert found.get_ifd(0x8825)[1] == "N"
    assert after.info["icc_profile"] == SRGB
    assert SOURCE_TYPE.encode() in after.info["xmp"]


def test_a_jpeg_keeps_captions_comments_and_segments_of_others():
    caption = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0c\x1c\x02x\0\x07caption"
    own = b"".join(
        b"\xff" + bytes([marker]) + (len(body) + 2).to_bytes(2, "big") + body
        for marker, body in [(0xED, caption), (0xFE, b"a comment"), (0xE9, b"mine\0data")]
    )
    plain = encoded(Image.fromarray(COLOUR), "JPEG", xmp=b"<x><rdf:RDF><old/></rdf:RDF></x>", dpi=(300, 300))
    after = restored(plain[:2] + own + plain[2:])
    assert after.app["APP13"] == caption
    assert after.app["APP9"] == b"mine\0data"
    assert after.info["comment"] == b"a comment"
    assert after.info["dpi"] == (300, 300)
    assert b"<old/>" not in after.info["xmp"]  # there is one packet, the new one
    assert SOURCE_TYPE.encode() in after.info["xmp"]


def test_inks_stay_inks():
    inks = Image.fromarray(COLOUR).convert("CMYK")
    data = encoded(inks, "JPEG", quality=95, icc_profile=b"of inks")
    after = restored(data)
    assert after.mode == "CMYK"
    assert after.info["icc_profile"] == b"of inks"
    png = restored(data, as_png=True)
    assert png.mode == "RGB"
    assert "icc_profile" not in png.info  # it would misread RGB


def test_jpeg_keeps_its_tables_sampling_and_exif():
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    smooth = Image.fromarray(COLOUR[:4, :4]).resize((64, 64), Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG", quality=83, subsampling=2, exif=exif)
    before = Image.open(io.BytesIO(data))
    hole = np.zeros((64, 64), np.uint8)
    hole[:16] = 1
    after = restored(data, hole, np.zeros((64, 64, 3), np.uint8))
    assert after.format == "JPEG"
    assert after.quantization == before.quantization
    assert after.getexif()[0x010F] == "Camera"
    difference = np.abs(np.asarray(after).astype(int) - np.asarray(before).astype(int))[32:]
    assert difference.mean() < 2


def test_png_on_request_equals_the_decoded_jpeg_outside_the_hole():
    data = encoded(Image.fromarray(COLOUR), "JPEG")
    after = restored(data, as_png=True)
    assert after.format == "PNG"
    assert np.array_equal(np.asarray(after)[HOLE == 0], np.asarray(Image.open(io.BytesIO(data)))[HOLE == 0])


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "GIF"])
def test_what_a_png_has_no_place_for_is_named(kind):
    """Archives keep who is shown, and where, in captions: they are not lost without a word."""
    image = Image.fromarray(COLOUR)
    if kind == "JPEG":
        caption = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0c\x1c\x02x\0\x07caption"
        plain = encoded(image, kind, comment=b"a comment")
        data = plain[:2] + b"\xff\xed" + (len(caption) + 2).to_bytes(2, "big") + caption + plain[2:]
        told = {CAPTIONS, COMMENT}
    elif kind == "TIFF":
        data, told = encoded(image, kind, tiffinfo={33723: b"\x1c\x02x\0\x07caption"}), {CAPTIONS}
    else:
        data, told = encoded(image, kind, comment=b"a comment"), {COMMENT}
    assert told <= set(rewritten(data, GREEN, HOLE, as_png=True).dropped)
    assert not told & set(rewritten(data, GREEN, HOLE).dropped)


def test_text_of_a_png_stays():
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Author", "someone")
    assert restored(encoded(Image.fromarray(COLOUR), "PNG", pnginfo=chunks)).text["Author"] == "someone"


FRAMES = [Image.fromarray(COLOUR), Image.fromarray(GREEN)]
LARGE = Image.new("1", (16_000, 8_000))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no picture", "not a picture"),
        (encoded(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "several pictures"),
        (encoded(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "several pictures"),
        (encoded(FRAMES[0].resize((15, 40)), "PNG"), "15x40 pixels"),
        (encoded(LARGE, "PNG"), "megapixels"),
        (encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "GIF of several pictures"),
        (encoded(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "several pictures"),
        (encoded(FRAMES[0], "MPO", save_all=True, append_images=FRAMES[1:]), "several pictures"),
        (encoded(FRAMES[0].convert("I"), "TIFF"), "with a sign"),
    ],
)
def test_what_is_not_restored_says_why(data, why):
    with pytest.raises(NoPhotographError, match=why):
        read_photo(data)


def test_avif_of_more_than_eight_bits_is_told_apart():
    data = encoded(FRAMES[0], "AVIF")
    assert not is_deep_avif(data)
    place = data.index(b"av1C") + 6
    assert is_deep_avif(data[:place] + bytes([data[place] | 0x40]) + data[place + 1 :])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_truncated_picture_is_an_error_of_its_own(kind):
    with pytest.raises(InputError, match="not a readable picture") as error:
        read_photo(encoded(Image.fromarray(COLOUR), kind)[:-300])
    assert not isinstance(error.value, NoPhotographError)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 1500), st.sampled_from(sorted(LOSSLESS)))
def test_garbled_bytes_never_raise_anything_unexpected(noise, place, name):
    data = LOSSLESS[name]
    with contextlib.suppress(InputError):
        assert read_photo(data[:place] + noise + data[place + len(noise) :]).rgb.dtype == np.uint8


def test_an_existing_xmp_packet_is_added_to():
    before = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><mine/></rdf:RDF></x:xmpmeta>'
    after = with_provenance(before, {"Hole": 'a "quote"'})
    assert b"<mine/>" in after
    assert SOURCE_TYPE.encode() in after
    assert b"&quot;" in after or b"'a \"quote\"'" in after
    assert with_provenance(b"damaged", {"Hole": "1"}).startswith(b"<?xpacket")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
def test_a_part_is_enough_to_write_the_same_file(name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(COLOUR).resize((93, 70), Image.Resampling.BICUBIC)
    data = encoded(picture, name, exif=exif, **CODINGS.get(name, {}))
    photo = read_photo(data)
    height, width = photo.rgb.shape[:2]
    hole = np.zeros((height, width), np.uint8)
    hole[30:41, 22:39] = 1
    hole[-5:, 50:] = 1
    new = RNG.integers(0, 256, photo.rgb.shape, np.uint8)
    box = (13, 24, width, height)
    cut = np.s_[24:height, 13:width]
    whole, part = photo.whole().change(new, hole), photo.part(box).change(new[cut], hole[cut])
    xmp = with_provenance(None, {"Hole": "0.1"})
    assert encode_photo(photo.file, whole, xmp, decoded=photo.decoded) == encode_photo(open_photo(data), part, xmp)
    again = read_photo(encode_photo(open_photo(data), part, xmp).data)
    if photo.file.lossless:
        assert np.array_equal(again.rgb[hole == 0], photo.rgb[hole == 0])
        assert np.array_equal(again.rgb[hole == 1], new[hole == 1])


def test_a_tiff_whose_zero_is_white_stays_one_and_gets_no_negative():
    sink = io.BytesIO()
    tifffile.imwrite(sink, 255 - COLOUR[..., 0], photometric="miniswhite")
    data = rewritten(sink.getvalue(), GREEN, HOLE).data
    after = np.asarray(Image.open(io.BytesIO(data)))  # as it is seen
    assert np.array_equal(after[HOLE == 0], COLOUR[..., 0][HOLE == 0])
    assert (after[HOLE == 1] == 124).all()  # 0.299 x 10 + 0.587 x 200 + 0.114 x 30
    with tifffile.TiffFile(io.BytesIO(data)) as written:
        assert written.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE
