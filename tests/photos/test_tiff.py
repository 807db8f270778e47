"""A TIFF keeps its tags, its pages, and every strip and tile that the hole does not touch."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.photos.pages import bound, pages_of
from faceinpaint.photos.tiff import change, is_plain, pictures, read_samples
from faceinpaint.photos.tiff_container import read_tiff, write_tiff

FACE = np.ascontiguousarray(skimage.data.astronaut()[:150, 100:261])
HOLE = np.zeros(FACE.shape[:2], bool)
HOLE[60:83, 41:90] = True
HOLE[140:, 150:] = True
DEEP = FACE.astype(np.uint16) * 257 + np.arange(161, dtype=np.uint16)[:, None]
PRIVATE = [(65000, 2, 9, b"my notes\0", True), (34675, 7, 500, bytes(range(250)) * 2, True)]


def written(array, **options):
    sink = io.BytesIO()
    tifffile.imwrite(sink, array, **({"metadata": None, "extratags": PRIVATE, "rowsperstrip": 16} | options))
    return sink.getvalue()


RGBA = np.dstack([FACE, FACE[..., :1]])
KINDS = {
    "plain": written(FACE, photometric="rgb"),
    "LZW": written(FACE, photometric="rgb", compression="lzw"),
    "LZW, predictor": written(FACE, photometric="rgb", compression="lzw", predictor=2),
    "deflate, big-endian": written(FACE, photometric="rgb", compression="zlib", byteorder=">"),
    "PackBits": written(FACE[..., 0], photometric="minisblack", compression="packbits"),
    "Zstandard": written(FACE, photometric="rgb", compression="zstd"),
    "16 bit": written(DEEP, photometric="rgb", compression="zlib", predictor=2),
    "16 bit, big-endian": written(DEEP, photometric="rgb", compression="lzw", predictor=2, byteorder=">"),
    "16 bit in planes": written(np.moveaxis(DEEP, -1, 0).copy(), photometric="rgb", planarconfig="separate"),
    "8 bit in planes": written(np.moveaxis(FACE, -1, 0).copy(), photometric="rgb", planarconfig="separate"),
    "BigTIFF": written(DEEP, photometric="rgb", bigtiff=True),
    "tiles": written(FACE, photometric="rgb", compression="zlib", tile=(48, 64), rowsperstrip=None),
    "16 bit grey tiles": written(DEEP[..., 0], photometric="minisblack", tile=(32, 32), rowsperstrip=None),
    "alpha": written(RGBA, photometric="rgb", extrasamples=["unassalpha"]),
    "inks": written(RGBA, photometric="separated", compression="lzw"),
    "five inks": written(np.dstack([RGBA, FACE[..., 1:2]]), photometric="separated", extrasamples=["unspecified"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_samples_and_segments_outside_the_hole_stay(name):
    before = read_tiff(KINDS[name])
    samples = read_samples(before)
    new = samples.values.copy()
    new[HOLE, : samples.colours] = np.iinfo(new.dtype).max // 3
    data = write_tiff(change(before, new, HOLE))
    after = read_tiff(data)
    again = read_samples(after)
    assert again.values.dtype == samples.values.dtype
    assert np.array_equal(again.values, new)
    same = [a == b for a, b in zip(before.pages[0].segments, after.pages[0].segments, strict=True)]
    assert 0 < sum(same) < len(same)
    for mine, theirs in ((before, after),):
        assert (mine.order, mine.big, mine.pages[0].tags) == (theirs.order, theirs.big, theirs.pages[0].tags)
    with tifffile.TiffFile(io.BytesIO(data)) as file:  # another reader of ours agrees
        seen = file.asarray()
        assert file.pages[0].tags[65000].value == "my notes"
    planes = np.moveaxis(seen, 0, -1) if "planes" in name else seen
    assert np.array_equal(planes.reshape(new.shape), new)


@pytest.mark.parametrize("colour", ["RGB", "YCbCr", "grey"])
@pytest.mark.parametrize("quality", [95, 60])
def test_a_jpeg_inside_keeps_its_blocks_and_tables(colour, quality):
    damaged = FACE.copy()
    damaged[HOLE] = 255
    picture = damaged[..., 0] if colour == "grey" else damaged
    if colour == "RGB":
        data = written(
            picture, photometric="rgb", compression="jpeg", compressionargs={"level": quality, "outcolorspace": "rgb"}
        )
    else:
        sink = io.BytesIO()
        Image.fromarray(picture).save(sink, "TIFF", compression="jpeg", quality=quality)
        data = sink.getvalue()
    before = read_tiff(data)
    old = read_samples(before)
    assert not old.lossless
    new = old.values.copy()
    new[HOLE] = (FACE[..., :1] if colour == "grey" else FACE)[HOLE]
    data = write_tiff(change(before, new, HOLE))
    after = read_samples(read_tiff(data)).values
    near = np.zeros_like(HOLE)
    for y, x in np.argwhere(HOLE):  # blocks of 16 px and the chroma smoothed beside them
        near[max(0, y // 16 * 16 - 1) : y // 16 * 16 + 17, max(0, x // 16 * 16 - 1) : x // 16 * 16 + 17] = True
    assert np.array_equal(after[~near], old.values[~near])
    error = np.abs(after.astype(int) - new)[64:79, 49:80].mean()
    assert error < (6 if quality == 95 else 12)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[..., 0], after[..., 0])


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}])
def test_exif_directories_come_along_in_both_byte_orders(options):
    tiff = read_tiff(written(FACE, photometric="rgb", **options))
    exif = {0x9003: (2, 20, b"2001:02:03 04:05:06\0"), 0x9000: (7, 4, b"0230")}
    gps = {2: (5, 3, struct.pack(f"{tiff.order}6I", 3, 2, 5, 2, 7, 2))}
    page = tiff.pages[0]
    data = write_tiff(tiff.with_page(0, replace(page, tags=page.tags | {0x8769: exif, 0x8825: gps})))
    again = read_tiff(data)
    assert again.pages[0].tags[0x8769] == exif
    assert write_tiff(again) == data
    found = Image.open(io.BytesIO(data)).getexif()
    assert found.get_ifd(0x8769)[0x9003] == "2001:02:03 04:05:06"
    assert found.get_ifd(0x8825)[2] == (1.5, 2.5, 3.5)


def test_pages_stay_apart_and_previews_go():
    sink = io.BytesIO()
    with tifffile.TiffWriter(sink) as writer:
        writer.write(FACE, photometric="rgb", metadata=None)
        writer.write(FACE[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
        writer.write(DEEP, photometric="rgb", metadata=None)
    tiff, dropped = pictures(read_tiff(sink.getvalue()))
    assert len(tiff.pages) == 2
    assert dropped == ["smaller pictures of it (pages)"]
    new = DEEP.copy()
    new[HOLE] = 7
    after = read_tiff(write_tiff(change(tiff, new, HOLE, 1)))
    assert np.array_equal(read_samples(after, 0).values, FACE)
    assert np.array_equal(read_samples(after, 1).values, new)


def test_subdirectories_with_smaller_pictures_are_dropped_and_named():
    sink = io.BytesIO()
    with tifffile.TiffWriter(sink) as writer:
        writer.write(FACE, photometric="rgb", metadata=None, subifds=1)
        writer.write(FACE[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
    tiff, dropped = pictures(read_tiff(sink.getvalue()))
    assert dropped == ["smaller pictures of it (SubIFDs)"]
    assert FACE[::2, ::2].tobytes()[:99] in sink.getvalue()
    assert FACE[::2, ::2].tobytes()[:99] not in write_tiff(tiff)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (written(FACE.astype(np.int16), photometric="rgb"), "with a sign"),
        (written(FACE.astype(np.complex64), photometric="rgb"), "with a sign"),
        (written(FACE[..., 0].astype(np.float32), photometric="miniswhite"), "neither grey"),
        (written(RGBA.astype(np.float32), photometric="separated"), "neither grey"),
        (written(RGBA, photometric="rgb", extrasamples=["assocalpha"]), "premultiplied"),
        (written(FACE, photometric="rgb", compression="jpeg2000"), "JPEG 2000"),
        (written(FACE, photometric="rgb", subfiletype=1), "raw file"),
    ],
)
def test_what_would_change_is_refused_with_the_reason(data, why):
    with pytest.raises(NoPhotographError, match=why):
        read_samples(pictures(read_tiff(data))[0])


@pytest.mark.parametrize(
    "data", [b"", b"II*\0", b"II*\0" + bytes(20), KINDS["LZW"][:-900], b"MM\0*" + struct.pack(">I", 4) + bytes(9)]
)
def test_damage_is_an_error_of_its_own(data):
    with pytest.raises(InputError, match="not a readable picture") as error:
        read_samples(read_tiff(data))
    assert not isinstance(error.value, NoPhotographError)


def test_palettes_and_single_bits_are_not_plain():
    for image in (Image.fromarray(FACE).quantize(16), Image.fromarray(FACE[..., 0]).convert("1")):
        sink = io.BytesIO()
        image.save(sink, "TIFF")
        assert not is_plain(read_tiff(sink.getvalue()))


def test_a_tiff_of_several_pages_is_taken_apart_and_put_together():
    sink = io.BytesIO()
    with tifffile.TiffWriter(sink, byteorder=">") as writer:
        for page, extra in ((FACE, PRIVATE), (FACE[::2, ::2], []), (DEEP[..., 0], [])):
            kind = {"subfiletype": 1} if page.shape == FACE[::2, ::2].shape else {}
            look = "rgb" if page.ndim == 3 else "minisblack"
            writer.write(page, photometric=look, compression="lzw", metadata=None, extratags=extra, **kind)
    pages, dropped = pages_of(sink.getvalue())
    assert len(pages) == 2
    assert dropped == ["smaller pictures of it (pages)"]
    assert np.array_equal(read_samples(read_tiff(pages[1])).values[..., 0], DEEP[..., 0])
    again = tifffile.TiffFile(io.BytesIO(bound(pages)))
    assert [page.shape for page in again.pages] == [FACE.shape, DEEP.shape[:2]]
    assert np.array_equal(again.pages[0].asarray(), FACE)
    assert again.pages[0].tags[65000].value == "my notes"
    assert again.byteorder == ">"


@pytest.mark.parametrize("data", [KINDS["LZW"], b"no TIFF", b"II*\0" + bytes(30), KINDS["tiles"][:200]])
def test_other_files_have_no_pages(data):
    assert pages_of(data) == ([], [])
