"""Pictures of 16 bits per channel keep all of them outside the hole, with their metadata."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.images import upright
from faceinpaint.photos import png
from faceinpaint.photos.opening import orientation_of
from faceinpaint.photos.photo import encode_photo, read_photo
from faceinpaint.photos.png import chunks as png_chunks
from faceinpaint.photos.png import file_of as png_file
from faceinpaint.photos.provenance import SOURCE_TYPE, with_provenance
from faceinpaint.photos.tiff_exif import dpi_of_tiff, exif_of_tiff

RNG = np.random.default_rng(5)
RGBA = RNG.integers(0, 65536, (40, 30, 4), np.uint16)
HOLE = np.zeros((40, 30), np.uint8)
HOLE[10:20, 5:25] = 1
NEW = np.broadcast_to(np.array([10, 200, 30], np.uint8), (40, 30, 3)).copy()
XMP = with_provenance(None, {"Hole": "0.1"})
PRIVATE = [(65000, 2, 9, b"my notes\0", True), (34675, 7, 500, bytes(range(250)) * 2, True)]


def samples(channels):
    return {1: RGBA[..., :1], 2: RGBA[..., [0, 3]], 3: RGBA[..., :3], 4: RGBA}[channels]


def restored(data, **options):
    photo = read_photo(data)
    part = photo.part((0, 0, 30, 40))
    return encode_photo(photo.file, part.change(NEW, HOLE), XMP, **options).data


def encode_deep(array):
    return png_file(png.encode(array))


def tiff(array, **options):
    sink = io.BytesIO()
    kind = {1: "minisblack", 3: "rgb", 4: "rgb"}[array.shape[2]]
    alpha = {"extrasamples": ["unassalpha"]} if array.shape[2] == 4 else {}
    options = {"photometric": kind, "extratags": PRIVATE, "metadata": None} | alpha | options
    tifffile.imwrite(sink, array.squeeze(), **options)
    return sink.getvalue()


def lzw(array):
    return cv2.imencode(".tif", array, [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes()


def cv_read(data):
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels.reshape(*pixels.shape[:2], -1)


def check(before, after):
    assert before.dtype == after.dtype == np.uint16
    assert np.array_equal(before[HOLE == 0], after[HOLE == 0])
    assert not np.array_equal(before[HOLE == 1], after[HOLE == 1])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_sixteen_bits_and_every_chunk(channels):
    chunks = list(png_chunks(encode_deep(samples(channels))))
    extra = [(b"gAMA", struct.pack(">I", 45455)), (b"pHYs", bytes(9)), (b"tEXt", b"Author\0someone"), (b"prVt", b"own")]
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    extra.append((b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    source = png_file([chunks[0], *extra, *chunks[1:]])
    after = restored(source)
    check(cv_read(source), cv_read(after))
    assert next(iter(png_chunks(after))) == chunks[0]
    assert set(extra) <= set(png_chunks(after))
    opened = Image.open(io.BytesIO(after))
    assert SOURCE_TYPE.encode() in opened.info["xmp"]
    assert opened.getexif()[0x010F] == "Camera"


def test_a_transparent_colour_becomes_alpha():
    chunks = list(png_chunks(encode_deep(samples(3))))
    key = (b"tRNS", RGBA[0, 0, :3].astype(">u2").tobytes())
    photo = read_photo(png_file([chunks[0], key, *chunks[1:]]))
    assert photo.decoded.mode == "RGBA"
    assert (photo.alpha == 0).sum() == 1
    assert photo.alpha[0, 0] == 0
    after = png.decode(list(png_chunks(restored(photo.file.data))))
    check(photo.decoded.samples, after)


def test_interlaced_png_is_read():
    """Of one pass alone, the first: a picture of one pixel in each eight by eight."""
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 1)
    data = png_file([(b"IHDR", header), (b"IDAT", zlib.compress(b"\0\1\2\3\4\5\6")), (b"IEND", b"")])
    assert png.decode(list(png_chunks(data))).tolist() == [[[0x0102, 0x0304, 0x0506]]]


TIFFS = {
    "grey": (1, tiff(samples(1))),
    "rgb": (3, tiff(samples(3))),
    "alpha": (4, tiff(RGBA)),
    "big-endian": (3, tiff(samples(3), byteorder=">")),
    "deflate": (3, tiff(samples(3), compression="zlib", predictor=True)),
    "tiles": (3, tiff(samples(3), tile=(16, 16))),
    "big": (3, tiff(samples(3), bigtiff=True)),
    "white is zero": (1, tiff(~samples(1), photometric="miniswhite")),
    "lzw": (3, lzw(RGBA[..., [2, 1, 0]])),
    "lzw-alpha": (4, lzw(RGBA[..., [2, 1, 0, 3]])),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_keeps_sixteen_bits_and_every_tag(name):
    channels, source = TIFFS[name]
    after = restored(source)
    if name == "white is zero":
        check(samples(1), ~tifffile.imread(io.BytesIO(after))[..., None])
    else:
        check(samples(channels), cv_read(after)[..., {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]])
    old, new = (tifffile.TiffFile(io.BytesIO(data)).pages[0] for data in (source, after))
    for code in (65000, 34675, 282, 338):
        assert (code in old.tags) == (code in new.tags)
        assert code not in old.tags or old.tags[code].value == new.tags[code].value
    assert old.compression == new.compression
    assert SOURCE_TYPE.encode() in new.tags[700].value


def test_tiff_on_request_becomes_a_png_of_sixteen_bits():
    after = restored(tiff(RGBA), as_png=True)
    check(RGBA, png.decode(list(png_chunks(after))))
    info = Image.open(io.BytesIO(after)).info
    assert info["icc_profile"] == PRIVATE[1][3]
    assert SOURCE_TYPE.encode() in info["xmp"]


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}], ids=str)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_becomes_a_png_that_is_turned_as_it_was(orientation, options):
    tags = [(274, 3, 1, orientation, True), (315, 2, 4, b"Ann\0", True)]
    source = tiff(RGBA[..., :3], extratags=tags, datetime="2001:02:03 04:05:06", resolution=(300, 300), **options)
    photo = read_photo(source)
    height, width = photo.file.upright_size
    hole = upright(HOLE, orientation)
    change = photo.whole().change(np.zeros((height, width, 3), np.uint8), hole)
    after = read_photo(encode_photo(photo.file, change, XMP, as_png=True).data)
    assert after.file.orientation == orientation
    assert np.array_equal(after.rgb[hole == 0], photo.rgb[hole == 0])
    if "bigtiff" not in options:  # of which Pillow reads no tags
        info = Image.open(io.BytesIO(after.file.data))
        assert info.getexif()[306] == "2001:02:03 04:05:06"
        assert info.getexif()[315] == "Ann"
        assert info.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_tiff_s_camera_and_position_come_along_and_damage_costs_nothing():
    block = Image.Exif()
    block[271] = "Camera"
    block.get_ifd(34665)[36867] = "2001:02:03 04:05:06"
    block.get_ifd(34853)[1] = "N"
    source = block.tobytes().removeprefix(b"Exif\0\0")
    found = Image.Exif()
    found.load(exif_of_tiff(source, 3))
    assert (found[271], found[274]) == ("Camera", 3)
    assert (found.get_ifd(34665)[36867], found.get_ifd(34853)[1]) == ("2001:02:03 04:05:06", "N")
    for length in range(len(source)):
        assert orientation_of(exif_of_tiff(source[:length], 6)) == 6
        assert dpi_of_tiff(source[:length]) is None


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (tiff(RGBA, extrasamples=["assocalpha"]), "premultiplied"),
        (tiff(RGBA[..., :3].astype(np.int32)), "with a sign"),
        (tiff(samples(3), photometric="cielab"), "none of grey"),
    ],
)
def test_what_would_lose_something_is_refused(source, why):
    with pytest.raises(NoPhotographError, match=why):
        read_photo(source)


@pytest.mark.parametrize("source", [encode_deep(RGBA), TIFFS["rgb"][1], TIFFS["deflate"][1]])
def test_a_damaged_file_is_an_error_of_its_own(source):
    with pytest.raises(InputError, match="not a readable picture") as error:
        read_photo(source[: len(source) // 2])
    assert not isinstance(error.value, NoPhotographError)
