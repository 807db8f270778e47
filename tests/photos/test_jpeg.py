"""A JPEG stays the same file but for the blocks that its hole touches, however it is coded."""

import io
import struct

import imagecodecs
import jpegio
import numpy as np
import pytest
import skimage.data
from PIL import Image

from faceinpaint.errors import InputError
from faceinpaint.photos.coding import Change
from faceinpaint.photos.jpeg import (
    CannotKeepBlocksError,
    change_blocks,
    coded_block,
    decode,
    edit_segments,
    end_of,
    ended,
)

FACE = np.ascontiguousarray(skimage.data.astronaut()[:150, 100:261])  # neither side a multiple of a block
HOLE = np.zeros(FACE.shape[:2], bool)
HOLE[60:83, 41:90] = True
DAMAGED = FACE.copy()
DAMAGED[HOLE] = 255


def pillow(picture, **options):
    sink = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(sink, "JPEG", **({"quality": 90} | options))
    return sink.getvalue()


def codecs(picture, **options):
    return imagecodecs.jpeg8_encode(picture, level=90, **options)


INKS = Image.fromarray(DAMAGED).convert("CMYK")
CODINGS = {
    "4:4:4": pillow(DAMAGED, subsampling=0),
    "4:2:2": codecs(DAMAGED, subsampling="422"),
    "4:2:0": pillow(DAMAGED, subsampling=2),
    "4:4:0": codecs(DAMAGED, subsampling="440"),
    "4:1:1": codecs(DAMAGED, subsampling="411"),
    "grey": pillow(DAMAGED[..., 0]),
    "inks": pillow(INKS),
    "inks as YCCK": codecs(np.asarray(INKS), colorspace="cmyk", outcolorspace="ycck"),
    "RGB": pillow(DAMAGED, keep_rgb=True),
    "progressive": pillow(DAMAGED, progressive=True),
    "restarts": pillow(DAMAGED, restart_marker_rows=1),
    "progressive with restarts": pillow(DAMAGED, progressive=True, restart_marker_blocks=3),
    "own Huffman tables": pillow(DAMAGED, optimize=True),
    "own quantisation": pillow(DAMAGED, qtables=[[3] * 64, [5 + i for i in range(64)]]),
}


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pixels(data):
    return np.asarray(opened(data)).reshape(*FACE.shape[:2], -1)


def coefficients(data, folder):
    path = folder / "file.jpg"
    path.write_bytes(data)
    jpeg = jpegio.read(str(path))
    blocks = [a.copy().reshape(a.shape[0] // 8, 8, -1, 8).swapaxes(1, 2) for a in jpeg.coef_arrays]
    return jpeg, blocks


def touched(jpeg, part, shape):
    """Blocks of a component that the hole touches, by going through its pixels."""
    found = np.zeros(shape, bool)
    down, across = jpeg.max_v_samp_factor // part.v_samp_factor, jpeg.max_h_samp_factor // part.h_samp_factor
    for y, x in np.argwhere(HOLE):
        found[y // (8 * down), x // (8 * across)] = True
    return found


def restored(data, picture=FACE):
    mode = opened(data).mode
    new = np.asarray(Image.fromarray(picture).convert(mode)).reshape(*FACE.shape[:2], -1)
    return change_blocks(data, Change(samples=new[50:100, 30:120], hole=HOLE[50:100, 30:120], left=30, top=50)), new


@pytest.mark.parametrize("name", CODINGS)
def test_coefficients_outside_touched_blocks_are_carried_over(name, tmp_path):
    before, (after, _) = CODINGS[name], restored(CODINGS[name])
    (a, old), (b, new) = coefficients(before, tmp_path), coefficients(after, tmp_path)
    changed = 0
    for part, one, two in zip(a.comp_info, old, new, strict=True):
        inside = touched(a, part, one.shape[:2])
        assert np.array_equal(one[~inside], two[~inside])
        changed += (one[inside] != two[inside]).any((1, 2)).sum()
    assert changed > len(old) * 4
    for field in ("progressive_mode", "restart_interval", "jpeg_color_space", "num_components"):
        assert getattr(a, field) == getattr(b, field), field
    for one, two in zip(a.comp_info, b.comp_info, strict=True):
        names = ("component_id", "h_samp_factor", "v_samp_factor", "quant_tbl_no")
        assert [getattr(one, n) for n in names] == [getattr(two, n) for n in names]
    assert all(map(np.array_equal, a.quant_tables, b.quant_tables))


@pytest.mark.parametrize("name", CODINGS)
def test_pixels_are_new_in_the_hole_and_the_same_outside_its_blocks(name):
    data = CODINGS[name]
    after, new = restored(data)
    high, wide = coded_block(opened(data))
    reach = np.kron(HOLE_BLOCKS(high, wide), np.ones((high, wide), bool))[: HOLE.shape[0], : HOLE.shape[1]]
    ring = np.pad(reach, 1)  # the smoothed chroma beside a block
    ring = np.any([ring[y : y + HOLE.shape[0], x : x + HOLE.shape[1]] for y in range(3) for x in range(3)], 0)
    one, two = pixels(data).astype(int), pixels(after).astype(int)
    assert np.array_equal(one[~ring], two[~ring])
    inner = HOLE.copy()  # chroma at its edge is shared with what lies around
    inner[:68], inner[75:], inner[:, :49], inner[:, 82:] = False, False, False, False
    assert np.abs(two - new)[inner].mean() < 6 < 30 < np.abs(one - new)[inner].mean()


def HOLE_BLOCKS(high, wide):  # noqa: N802
    rows, columns = -(-HOLE.shape[0] // high), -(-HOLE.shape[1] // wide)
    found = np.zeros((rows, columns), bool)
    for y, x in np.argwhere(HOLE):
        found[y // high, x // wide] = True
    return found


def test_the_hole_is_as_good_as_a_new_coding_of_the_undamaged_picture():
    after, new = restored(CODINGS["4:4:4"])
    plain = pixels(pillow(FACE, subsampling=0)).astype(int)
    assert np.abs(pixels(after).astype(int) - new)[HOLE].mean() < 1.15 * np.abs(plain - new)[HOLE].mean()


def test_a_change_at_the_last_pixels_reaches_the_picture_s_end():
    hole = np.zeros(FACE.shape[:2], bool)
    hole[-13:, -21:] = True
    damaged = FACE.copy()
    damaged[hole] = (255, 0, 255)
    data = pillow(damaged, subsampling=2)
    change = Change(samples=FACE[-20:, -30:], hole=hole[-20:, -30:], left=FACE.shape[1] - 30, top=FACE.shape[0] - 20)
    after = pixels(change_blocks(data, change)).astype(int)
    corner = np.abs(after - FACE)[-8:, -16:]
    assert corner.mean() < 8
    assert corner[-1].mean() < 10  # no marker colour seeps in from beyond the edge


def test_an_unused_quantisation_table_confuses_nothing(tmp_path):
    data = CODINGS["grey"]
    extra = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([99] * 64)  # slot 0, before the one that counts
    spare = b"\xff\xdb" + struct.pack(">HB", 67, 3) + bytes([77] * 64)  # slot 3, of no component
    place = data.index(b"\xff\xdb")
    data = data[:place] + extra + data[place:]
    data = data[: data.index(b"\xff\xc0")] + spare + data[data.index(b"\xff\xc0") :]
    after, new = restored(data)
    inner = np.s_[66:76, 50:82]
    assert np.abs(pixels(after).astype(int) - new)[inner].mean() < 6


def test_segments_are_kept_in_their_order_and_may_be_edited():
    own = b"".join(
        b"\xff" + bytes([m]) + struct.pack(">H", len(c) + 2) + c for m, c in [(0xE9, b"mine\0data"), (0xFE, b"comment")]
    )
    plain = CODINGS["4:2:0"]
    data = plain[:2] + own + plain[2:]
    after = edit_segments(data, lambda segments: [s for s in segments if s[0] != 0xFE] + [(0xED, b"new")])
    image = opened(after)
    assert image.app["APP9"] == b"mine\0data"
    assert image.app["APP13"] == b"new"
    assert "comment" not in image.info
    assert np.array_equal(pixels(after), pixels(plain))


def test_what_cannot_be_carried_over_says_why():
    data = CODINGS["4:4:4"]
    with pytest.raises(CannotKeepBlocksError, match="cannot be read"):
        change_blocks(b"no JPEG at all", Change(samples=FACE, hole=HOLE, left=0, top=0))
    with pytest.raises(CannotKeepBlocksError, match="unknown way"):
        change_blocks(data, Change(samples=FACE[..., :1], hole=HOLE, left=0, top=0))


@pytest.mark.parametrize("name", [name for name in CODINGS if "inks" not in name])
def test_the_fast_decoder_sees_what_pillow_sees(name):
    assert np.array_equal(decode(CODINGS[name]), pixels(CODINGS[name]))


def test_a_jpeg_s_end_is_not_that_of_its_thumbnail():
    exif = b"Exif\0\0" + pillow(FACE[:32, :32])
    plain = CODINGS["4:2:0"]
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    assert end_of(data) == len(data)
    assert end_of(data + b"tail") == len(data)
    assert end_of(data[:-30]) is None
    with pytest.raises(InputError, match="cut short"):
        decode(data[:-30])


WHOLE_WITHOUT_END = ("4:4:4", "4:2:2", "4:2:0", "4:4:0")


@pytest.mark.parametrize("name", [name for name in CODINGS if "inks" not in name])
def test_only_the_end_marker_may_be_missing(name):
    data = CODINGS[name]
    for cut in (1, 2) if name in WHOLE_WITHOUT_END else ():
        assert np.array_equal(decode(ended(data[:-cut])), pixels(data))
    for cut in (3, 4, 40, len(data) // 3, len(data) // 2):
        assert ended(data[:-cut]) == data[:-cut]
        with pytest.raises(InputError, match="cut short"):
            decode(ended(data[:-cut]))
    assert ended(data + b"tail") == data + b"tail"
