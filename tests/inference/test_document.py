"""A TIFF of several pages: each page by the same rule, and the file stays one file."""

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile

from faceinpaint.data.mask_spec import Proposed, parse_masks
from faceinpaint.encoding import mask_png
from faceinpaint.inference.document import Document, examine, finish
from faceinpaint.inference.steps import plan_batch
from faceinpaint.inference.travel import Painted, Settings, pack, unpack

FACE = np.ascontiguousarray(skimage.data.astronaut()[:320, 60:380])
MARKER = (255, 0, 255)
HOLE = np.s_[118:150, 135:185]
LETTER = np.full((200, 300, 3), 240, np.uint8)
LETTER[20:180:12, 20:280] = 30


def marked(picture, hole=HOLE):
    result = picture.copy()
    result[hole] = MARKER
    return result


def tiff(*pages, previews=(), **options):
    sink = io.BytesIO()
    with tifffile.TiffWriter(sink) as writer:
        for page in pages:
            writer.write(page, photometric="rgb", compression="lzw", metadata=None, rowsperstrip=16, **options)
        for page in previews:
            writer.write(page, photometric="rgb", metadata=None, subfiletype=1)
    return sink.getvalue()


@pytest.fixture
def settings(tmp_path):
    return Settings(output=str(tmp_path), masks=parse_masks("color:#FF00FF"), image_size=64, alignment="celeba")


def restored(data, settings, key="scan.tif"):
    examined = examine(key, data, None, settings)
    crops = examined.plan.crops
    grey = None if crops is None else np.full_like(crops, 128)  # what a model may have painted
    return finish(Painted(examined=examined, patches=grey), settings)


def test_pages_are_restored_each_and_those_without_a_hole_stay(settings):
    data = tiff(marked(FACE), LETTER, marked(FACE[::-1], np.s_[40:60, 40:80]), previews=[FACE[::4, ::4]])
    examined = examine("a/scan.tif", data, None, settings)
    assert isinstance(examined, Document)
    assert len(examined.plan.crops) == len(examined.plan.patches)
    row = restored(data, settings, "a/scan.tif").row
    assert row.status in ("restored", "restored-fallback")
    assert (row.fidelity, row.dropped, row.output) == ("exact", "smaller pictures of it (pages)", "a/scan.tif")
    assert row.faces >= 1
    assert 0 < row.hole_ratio < 0.02
    with tifffile.TiffFile(Path(settings.output, "a/scan.tif")) as file:
        one, two, three = (page.asarray() for page in file.pages)
    assert np.array_equal(two, LETTER)
    for before, after in ((marked(FACE), one), (marked(FACE[::-1], np.s_[40:60, 40:80]), three)):
        outside = (before != MARKER).any(-1)
        assert (after != MARKER).any(-1).all()
        near = np.abs(after[outside].astype(int) - before[outside])
        assert (near > 0).any(-1).mean() < 0.02  # a hole may be grown over mixed pixels


def test_one_page_s_trouble_is_the_file_s(settings, tmp_path):
    data = tiff(marked(FACE), np.full((40, 40, 3), MARKER, np.uint8))
    row = restored(data, settings).row
    assert row.status == "failed"
    assert row.reason.startswith("page 2: total mask")
    assert not os.listdir(tmp_path)


def test_a_file_that_cannot_be_written_costs_its_row(settings, tmp_path):
    (tmp_path / "a").touch()
    row = restored(tiff(marked(FACE), LETTER), settings, "a/scan.tif").row
    assert (row.status, row.output, row.output_sha256) == ("failed", None, None)
    assert row.reason.startswith(("FileExistsError", "NotADirectoryError"))


def test_a_dry_run_says_what_a_run_will(settings):
    """A page without a face is filled from its edges, and one without a hole stays."""
    data = tiff(FACE, marked(LETTER, np.s_[40:80, 40:90]), marked(FACE))
    plan = plan_batch({"work": pack([examine("scan.tif", data, None, settings)])}, settings)
    (planned,), row = unpack(plan["work"]), restored(data, settings).row
    assert row.status == "restored-fallback"
    assert row.reason == "page 2: no face at 1 hole(s): filled from the edges"
    for name in ("status", "reason", "hole_ratio", "hole_grown", "mask_sha256", "faces"):
        assert getattr(planned.row, name) == getattr(row, name)


def test_no_hole_on_any_page_is_said_as_of_one_picture(settings):
    row = restored(tiff(FACE, LETTER), settings).row
    assert row.status == "failed"
    assert row.reason.startswith("empty mask")


def test_a_broken_page_is_named(settings):
    data = tiff(marked(FACE), LETTER.astype(np.int32))
    row = restored(data, settings).row
    assert row.status == "skipped"
    assert row.reason.startswith("page 2: TIFF of numbers with a sign")


def test_pages_wait_for_masks_of_a_person(settings):
    """A detector proposes for single pictures: its hole is no other page's."""
    proposal = Proposed(mask_png(np.ones((200, 300), np.uint8)), "")
    row = restored(tiff(LETTER, LETTER), replace(settings, masks=proposal)).row
    assert (row.status, row.reason) == ("skipped", "TIFF of several pictures: split it into single ones first")


def test_single_pages_go_the_usual_way(settings):
    examined = examine("one.tif", tiff(marked(FACE)), None, settings)
    assert not isinstance(examined, Document)
    assert restored(tiff(marked(FACE)), settings, "one.tif").row.output == "one.tif"
    assert restored(b"II*\0 no picture at all", settings).row.status == "failed"
    assert restored(None, settings).row.status == "failed"
