"""JPEGs whose coded data has a fault, and which decoders read all the same: nothing is printed, the ledger says it."""

import os
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
from PIL import Image

from faceinpaint.data.mask_spec import parse_masks
from faceinpaint.inference.travel import Painted, Settings
from faceinpaint.inference.work import examine, finish
from faceinpaint.photos.jpeg import decode, faults_of
from faceinpaint.stderr import caught, printed
from tests.encoded import encoded

FACE = np.ascontiguousarray(skimage.data.astronaut()[:320, 60:380])


def coded(picture, kind="JPEG", **options):
    return encoded(picture, kind, **options)


WHOLE = coded(FACE, quality=90)
SCAN = WHOLE.index(b"\xff\xda")
MIDDLE = len(WHOLE) // 2
FAULTY = {
    "a wrong byte": (WHOLE[:MIDDLE] + bytes([WHOLE[MIDDLE] ^ 0x55]) + WHOLE[MIDDLE + 1 :], "extraneous bytes"),
    "a part is lost": (WHOLE[: len(WHOLE) * 2 // 3] + b"\xff\xd9", "premature end of data segment"),
    "bytes between segments": (WHOLE[:SCAN] + b"\0\1\2" + WHOLE[SCAN:], "3 extraneous bytes before marker 0xda"),
}


@pytest.mark.parametrize("name", FAULTY)
@pytest.mark.parametrize("as_png", [False, True])
def test_the_ledger_tells_of_the_fault_and_the_terminal_does_not(name, as_png, tmp_path, capfd):
    data, words = FAULTY[name]
    mask = np.zeros((320, 320), np.uint8)
    mask[20:40, 20:60] = 255
    (tmp_path / "mask.png").write_bytes(coded(mask, "PNG"))
    masks = parse_masks(str(tmp_path / "mask.png"))
    settings = Settings(output=str(tmp_path), masks=masks, image_size=64, alignment="celeba", as_png=as_png)
    rows = []
    for picture in (WHOLE, data):
        examined = examine("a.jpg", picture, None, settings)
        assert examined.row.status is None, examined.row
        patches = examined.plan.crops
        rows.append(finish(Painted(examined=replace(examined), patches=patches), settings).row)
    assert rows[0].status == rows[1].status == "restored-fallback"
    assert "fault" not in rows[0].reason
    assert words in rows[1].reason
    assert rows[1].reason.startswith(rows[0].reason + "; the JPEG's coded data has a fault (")
    assert capfd.readouterr().err == ""
    after = np.asarray(Image.open(tmp_path / ("a.jpg.png" if as_png else "a.jpg")).convert("RGB"))
    assert np.array_equal(after[120:300], decode(data)[120:300])


def test_a_good_file_has_no_fault():
    assert faults_of(WHOLE) == []


def test_stray_bytes_before_a_marker_cost_no_pixel():
    assert np.array_equal(decode(FAULTY["bytes between segments"][0]), decode(WHOLE))


def test_what_is_caught_is_not_lost_for_those_who_want_it(capfd):
    with caught() as lines:
        os.write(2, b"one\ntwo\n")
        assert lines == []
    os.write(2, b"three\n")
    assert lines == [b"one\n", b"two\n"]
    printed(lines[1:])
    assert capfd.readouterr().err == "three\ntwo\n"
