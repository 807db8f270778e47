"""Each kind of SPEC finds the hole of a key, or says why there is none."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from faceinpaint import storage
from faceinpaint.data.marked_holes import Reading, Subject, find_hole
from faceinpaint.data.mask_spec import MaskFolder, absolute_masks, parse_masks
from faceinpaint.errors import InputError

PICTURE = np.full((20, 30, 3), 90, np.uint8)
HOLE = np.zeros((20, 30), np.uint8)
HOLE[4:9, 5:12] = 1


def png(hole: np.ndarray = HOLE) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(hole * 255).save(sink, "PNG")
    return sink.getvalue()


def hole(spec: str, key: str = "a.jpg", picture: np.ndarray = PICTURE, alpha: np.ndarray | None = None) -> np.ndarray:
    return find_hole(parse_masks(spec), Subject(key=key, picture=picture, alpha=alpha), Reading(), 64).pixels


@pytest.fixture(params=["local", "s3"])
def root(request, tmp_path):
    return str(tmp_path) if request.param == "local" else request.getfixturevalue("bucket")


def test_folder_parquet_and_single_file(root):
    storage.write_bytes(f"{root}/masks/deep/a.jpg.png", png())
    storage.write_bytes(f"{root}/masks/deep/a.png", png(HOLE.T[:20, :20]))  # the full name wins
    storage.write_bytes(f"{root}/masks/b.png", png())
    sink = io.BytesIO()
    pq.write_table(pa.table({"key": ["x", "a.jpg", "y"], "mask": [None, png(), b"text"]}), sink, row_group_size=1)
    storage.write_bytes(f"{root}/masks.parquet", sink.getvalue())
    assert np.array_equal(hole(f"{root}/masks", "deep/a.jpg"), HOLE)
    assert np.array_equal(hole(f"{root}/masks", "b.tiff"), HOLE)
    assert np.array_equal(hole(f"{root}/masks/b.png"), HOLE)
    assert np.array_equal(hole(f"{root}/masks.parquet"), HOLE)
    for key, reason in [("absent", "no row"), ("x", "an empty row"), ("y", "not a picture of a known format")]:
        with pytest.raises(InputError, match=reason):
            hole(f"{root}/masks.parquet", key)
    for key in ("c.jpg", "deep", "b.png/c.jpg"):
        with pytest.raises(InputError, match="no mask: neither"):
            hole(f"{root}/masks", key)


@pytest.mark.parametrize("key", ["../secret.jpg", "a/../../secret.jpg", "/secret.jpg"])
def test_keys_do_not_leave_the_folder(tmp_path, key):
    (tmp_path / "masks").mkdir()
    (tmp_path / "secret.png").write_bytes(png())
    with pytest.raises(InputError, match="leaves the folder"):
        hole(str(tmp_path / "masks"), key)


def test_alpha_and_colour():
    assert np.array_equal(hole("alpha", alpha=255 - 255 * HOLE), HOLE)
    marked = np.where(HOLE[..., None] > 0, np.uint8([10, 250, 0]), PICTURE)
    assert np.array_equal(hole("color:#00ff00", picture=marked), HOLE)
    for spec, reason in [
        ("alpha", "no transparency"),
        ("color:#00ff00", "empty mask"),
        ("color:#5a5a5a", "total mask"),
    ]:
        with pytest.raises(InputError, match=reason):
            hole(spec)


def test_generated_holes_have_the_pictures_size():
    assert hole("squares").shape == hole("freeform:0.1-0.2").shape == (20, 30)


@pytest.mark.parametrize("spec", ["detect", "alpha", "squares", "squares:8", "freeform:0.1-0.2", "color:#00FF00"])
def test_a_folder_of_a_specs_name_does_not_hide_it(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    (tmp_path / spec).mkdir()
    assert absolute_masks(spec) == spec
    assert not isinstance(parse_masks(spec), MaskFolder)
    assert absolute_masks(f"./{spec}") == str(tmp_path / spec)
    assert isinstance(parse_masks(f"./{spec}"), MaskFolder)


@pytest.mark.parametrize("spec", ["nowhere", "color:green", "squares:0", "text.png", "empty.png", "nothing.parquet"])
def test_unusable_specs_are_refused_at_once(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "empty.png").write_bytes(png(HOLE * 0))
    pq.write_table(pa.table({"key": ["a"]}), tmp_path / "nothing.parquet")
    with pytest.raises(InputError, match="masks"):
        parse_masks(spec)
