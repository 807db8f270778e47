"""Rows below a change are carried over as bits: the file is, byte for byte, what coding all of it would give."""

import io
import tempfile

import imagecodecs
import jpegio
import numpy as np
import pytest
import skimage.data
from PIL import Image

from faceinpaint.photos import jpeg, jpeg_scan
from faceinpaint.photos.coding import Change
from faceinpaint.photos.jpeg import change_blocks, edit_segments
from faceinpaint.photos.jpeg_scan import joined, scan_of

SIDE = (407, 361)  # neither a multiple of a block
PHOTO = np.array(Image.fromarray(skimage.data.astronaut()).resize(SIDE[::-1]))
PHOTO = np.clip(PHOTO + np.random.default_rng(3).normal(0, 3, PHOTO.shape), 0, 255).astype(np.uint8)


def pillow(picture, **options):
    sink = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(sink, "JPEG", **({"quality": 90} | options))
    return sink.getvalue()


STANDARD = {
    "4:4:4": pillow(PHOTO, subsampling=0),
    "4:2:2": pillow(PHOTO, subsampling=1),
    "4:2:0": pillow(PHOTO, subsampling=2),
    "4:4:0": imagecodecs.jpeg8_encode(PHOTO, level=90, subsampling="440"),
    "4:1:1": imagecodecs.jpeg8_encode(PHOTO, level=90, subsampling="411"),
    "grey": pillow(PHOTO[..., 0]),
    "inks": pillow(Image.fromarray(PHOTO).convert("CMYK")),
    "coarse": pillow(PHOTO, quality=25),
    "fine": pillow(PHOTO, quality=100),
}
OWN = {"own tables": pillow(PHOTO, optimize=True), "own tables, grey": pillow(PHOTO[..., 1], optimize=True)}
NOT_FOR_IT = {
    "progressive": pillow(PHOTO, progressive=True),
    "restarts": pillow(PHOTO, restart_marker_rows=1),
}


@pytest.fixture(autouse=True)
def small_rests_too(monkeypatch):
    monkeypatch.setattr(jpeg_scan, "LEAST_REST", 1)


def changes(data, count=6):
    rng = np.random.default_rng(1)
    with Image.open(io.BytesIO(data)) as image:
        channels = len(image.getbands())
    for _ in range(count):
        height, width = rng.integers(1, 90, 2)
        top, left = rng.integers(0, SIDE[0] - 180), rng.integers(0, SIDE[1] - width + 1)
        samples = rng.integers(0, 256, (height, width, channels), np.uint8)
        yield Change(samples=samples, hole=rng.random((height, width)) < 0.7, left=int(left), top=int(top))


def coefficients(data, folder):
    path = folder / "file.jpg"
    path.write_bytes(data)
    return [array.copy() for array in jpegio.read(str(path)).coef_arrays]


def plain(data, change):
    """All coefficients read and written."""
    return jpeg._changed(data, change, list, None, None)


@pytest.mark.parametrize("name", STANDARD)
def test_the_file_is_that_of_the_long_way(name, monkeypatch):
    short = []
    monkeypatch.setattr(jpeg_scan, "joined", lambda *given: short.append(joined(*given)) or short[-1])
    for change in changes(STANDARD[name]):
        assert change_blocks(STANDARD[name], change) == plain(STANDARD[name], change)
    assert len(short) == 6
    assert all(short)


@pytest.mark.parametrize("name", OWN)
def test_own_tables_are_kept_and_the_coefficients_are_those_of_the_long_way(name, tmp_path):
    data = OWN[name]
    change = next(changes(data))
    new = change_blocks(data, change)
    assert all(map(np.array_equal, coefficients(new, tmp_path), coefficients(plain(data, change), tmp_path)))
    assert tables(new) == tables(data) != tables(plain(data, change))


def test_tables_that_lack_a_code_are_made_anew_the_long_way():
    data = pillow(Image.fromarray(PHOTO).resize((20, 20)).resize(SIDE[::-1]), optimize=True)  # smooth: few codes
    change = next(changes(data))
    assert change_blocks(data, change) == plain(data, change)
    assert tables(plain(data, change)) != tables(data)


def tables(data):
    """The lengths of Huffman's codes."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(data)
        file.flush()
        read = jpegio.read(file.name)
    return [list(table["counts"]) for table in (*read.dc_huff_tables, *read.ac_huff_tables)]


@pytest.mark.parametrize("name", NOT_FOR_IT)
def test_other_scans_go_the_long_way(name):
    data = NOT_FOR_IT[name]
    assert scan_of(data) is None
    change = next(changes(data))
    assert change_blocks(data, change) == plain(data, change)


def test_no_more_is_read_than_the_rows_down_to_the_change(monkeypatch):
    heights = []
    read = jpeg._read
    monkeypatch.setattr(jpeg, "_read", lambda *given: heights.append(read(*given).image_height) or read(*given))
    hole = np.ones((20, 30), bool)
    change_blocks(STANDARD["4:2:0"], Change(samples=PHOTO[:20, :30], hole=hole, left=7, top=50))
    assert heights == [112, 112]  # 70 px are 5 rows of units, and 2 more


def test_rows_that_repeat_go_the_long_way():
    flat = np.full((*SIDE, 3), 90, np.uint8)
    flat[:100] = PHOTO[:100]
    data = pillow(flat)
    change = Change(samples=PHOTO[:30, :40], hole=np.ones((30, 40), bool), left=9, top=20)
    with_change = jpeg._changed(scan_of(data).upper(150), change, list, None, None, own_tables=True)
    assert joined(with_change, scan_of(data)) is None  # its last rows are alike
    change = Change(samples=PHOTO[:30, :40], hole=np.ones((30, 40), bool), left=9, top=120)
    assert change_blocks(data, change) == plain(data, change)


def test_segments_are_edited_once_and_cost_no_reading_of_the_picture(monkeypatch):
    data, calls = STANDARD["4:2:0"], []

    def edit(segments):
        calls.append(segments)
        return [*segments, (0xFE, b"hello")]

    new = edit_segments(data, edit)
    assert len(calls) == 1
    assert b"hello" in new
    assert scan_of(new).codes() == scan_of(data).codes()
    monkeypatch.setattr(jpeg_scan, "joined", lambda *given: None)
    assert edit_segments(data, edit) == new
    assert len(calls) == 2


def test_a_scan_that_lacks_bits_is_told():
    data = STANDARD["4:2:0"]
    assert jpeg_scan.is_whole(data, 3)
    assert jpeg_scan.is_whole(STANDARD["inks"], 4)
    assert not jpeg_scan.is_whole(data[:-4] + data[-2:], 3)
    assert not jpeg_scan.is_whole(data[:-2] + b"more than a few bytes" + data[-2:], 3)


def test_a_fault_below_the_change_is_found_the_long_way(monkeypatch):
    data = STANDARD["4:2:0"]
    broken = bytearray(data)
    broken[-900] ^= 0x55
    assert not jpeg_scan.is_whole(bytes(broken), 3)
    change = Change(samples=PHOTO[:20, :30], hole=np.ones((20, 30), bool), left=7, top=50)
    faults, wanted = [], []
    assert change_blocks(bytes(broken), change, faults=faults) == jpeg._changed(
        bytes(broken), change, list, None, wanted
    )
    assert faults == wanted != []


@pytest.mark.parametrize("moved", range(8))
def test_bits_are_moved_as_numbers_are(moved):
    data = bytes(np.random.default_rng(moved).integers(0, 256, 50, np.uint8))
    text = "".join(f"{byte:08b}" for byte in data)[16 + moved :]
    wanted = text + "1" * (-len(text) % 8)
    assert "".join(f"{byte:08b}" for byte in jpeg_scan._from_bit(data, 16 + moved)) == wanted
    assert jpeg_scan._only_place(data[:10], data) == 80
