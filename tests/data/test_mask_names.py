"""The mask that a person would call a picture's is found; what only looks like it is named in the reason."""

import os
import unicodedata

import pytest

from faceinpaint.data.mask_names import find_mask
from faceinpaint.errors import InputError
from faceinpaint.storage import as_text, list_stamped, write_bytes

NFC = unicodedata.normalize("NFC", "Café Müller")
NFD = unicodedata.normalize("NFD", NFC)
LONG = "あ" * 83  # with its suffix nearly as long as a name may be


@pytest.fixture(params=["local", "s3"])
def root(request, tmp_path):
    return str(tmp_path / "masks") if request.param == "local" else request.getfixturevalue("bucket")


@pytest.mark.parametrize(
    ("key", "mask"),
    [
        (f"{NFD}.jpg", f"{NFC}.png"),
        (f"{NFC}.jpg", f"{NFD}.jpg.png"),
        (f"{NFD}/a.jpg", f"{NFC}/a.png"),
        ("upper.JPG", "upper.PNG"),
        ("a.jpg", "a.jpg"),
        ("a.png", "a.Jpeg"),
        ("a.tif", "a.BMP"),
        (f"{LONG}.jpg", f"{LONG}.png"),
        ("deep/er/a.jpg", "deep/er/a.jpg.TIF"),
    ],
)
def test_other_forms_and_suffixes_are_found(root, key, mask):
    write_bytes(f"{root}/{mask}", b"mask")
    write_bytes(f"{root}/other.png", b"another")
    path, data, stamp = find_mask(root, key)
    assert data == b"mask"
    assert path == mask
    assert stamp


@pytest.mark.parametrize("key", ["caf\\xe9.jpg", "caf\\xe9/a.jpg"])
@pytest.mark.parametrize("by", ["bytes", "text"])
def test_names_that_are_not_utf8_are_found_by_their_bytes_and_by_their_text(tmp_path, key, by):
    """The second is what a detection writes. Either has the stamp that a listing of the folder gives."""
    name = key.removesuffix(".jpg") + ".png"
    path = os.fsencode(tmp_path) + b"/" + (name.encode() if by == "text" else name.encode().replace(b"\\xe9", b"\xe9"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"mask")
    found, data, stamp = find_mask(str(tmp_path), key)
    assert data == b"mask"
    assert [(as_text(listed), known) for listed, _, known in list_stamped(str(tmp_path))] == [(found, stamp)]


def test_the_full_name_wins_then_png(root):
    for name in ("a.png", "a.tif", "a.jpg.png", "a.jpg.TIF"):
        write_bytes(f"{root}/{name}", name.encode())
    assert find_mask(root, "a.jpg")[1] == b"a.jpg.png"
    assert find_mask(root, "a.tif")[1] == b"a.png"


@pytest.mark.parametrize(
    ("name", "why"),
    [("A.png", "differs in capitals"), ("a_mask.png", "is like it"), ("mask-a.png", "is like it")],
)
def test_what_only_looks_like_it_is_named(root, name, why):
    write_bytes(f"{root}/{name}", b"")
    with pytest.raises(InputError, match=rf"neither a.jpg.png nor a.png.*; {name} is there, which {why}: rename"):
        find_mask(root, "a.jpg")


def test_a_missing_folder_is_said(root):
    write_bytes(f"{root}/b.png", b"")
    with pytest.raises(InputError, match="has no folder album/1952"):
        find_mask(root, "album/1952/a.jpg")


def test_masks_brought_later_are_found(tmp_path):
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(InputError):
        find_mask(str(tmp_path), "a.jpg")
    (tmp_path / "a.PNG").write_bytes(b"mask")
    os.utime(tmp_path, ns=(1, 1))  # a clock too coarse to tell would hide it
    assert find_mask(str(tmp_path), "a.jpg")[1] == b"mask"
