"""Splits are fixed lists that share no picture."""

import subprocess
import sys
import unicodedata

import pytest

from faceinpaint.data.splits import matching_entry, official_split, read_split
from faceinpaint.errors import InputError

MAPPING = "    idx  orig_idx    orig_file\n 0  119613  119614.jpg\n 1  99094  099095.jpg\n 2  200121  200122.jpg\n"
PARTITION = "099095.jpg 1\n119614.jpg 0\n200122.jpg 2\n"


@pytest.mark.parametrize(
    ("name", "train", "val"), [(28_000, 28_000, 2_000), (27_000, 27_000, 3_000), (26_000, 26_000, 2_000)]
)
def test_named_splits(name, train, val):
    first, second = read_split(f"celebahq-{name}-train"), read_split(f"celebahq-{name}-val")
    assert (len(first), len(second)) == (train, val)
    assert not first & second
    assert first | second <= set(map(str, range(30_000)))


def test_lamas_lists_are_parts_of_deepfills():
    whole = read_split("celebahq-28000-train")
    assert read_split("celebahq-26000-train") | read_split("celebahq-26000-val") == whole


def test_official_lists_follow_the_mapping():
    assert official_split(MAPPING, PARTITION) == {"train": ["0"], "val": ["1"], "test": ["2"]}


@pytest.mark.parametrize(
    ("mapping", "partition"),
    [
        ("", PARTITION),
        (MAPPING, PARTITION.replace("099095", "099096")),
        (MAPPING, PARTITION.replace("099095.jpg 1", "099095.jpg")),
    ],
)
def test_files_that_do_not_fit_are_refused(mapping, partition):
    with pytest.raises(InputError, match=r"CelebA-HQ"):
        official_split(mapping, partition)


def test_the_command_writes_lists_that_can_be_read(tmp_path):
    (tmp_path / "map").write_text(MAPPING)
    (tmp_path / "part").write_text(PARTITION)
    command = [
        sys.executable,
        "-m",
        "faceinpaint",
        "splits",
        *(str(tmp_path / name) for name in ("map", "part", "out")),
    ]
    assert subprocess.run(command).returncode == 0
    assert read_split(str(tmp_path / "out/celebahq-official-test.txt")) == {"2"}
    assert subprocess.run([*command[:4], "absent", *command[5:]]).returncode == 2


def test_a_file_of_keys(tmp_path):
    (tmp_path / "keys.txt").write_text("# chosen by hand\nb/1.jpg\n\n12\n")
    split = read_split(str(tmp_path / "keys.txt"))
    keys = ["b/1.jpg", "a/1.jpg", "hq/00012.png", "12", "112.png"]
    assert [matching_entry(key, split) for key in keys] == ["b/1.jpg", None, "12", "12", None]


@pytest.mark.parametrize("content", [None, "", "# nothing\n"])
def test_no_list_is_one_clear_line(tmp_path, content):
    if content is not None:
        (tmp_path / "keys.txt").write_text(content)
    with pytest.raises(InputError, match=r"split .*keys"):
        read_split(str(tmp_path / "keys.txt"))


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_lists_of_any_editor_name_the_same_pictures(tmp_path, coding, form):
    text = unicodedata.normalize(form, "first.png\r\nCafé/Müller.jpg\r\n")
    (tmp_path / "list.txt").write_bytes(text.encode(coding))
    split = read_split(str(tmp_path / "list.txt"))
    assert len(split) == 2
    for key in ("a/first.png", "first.png", "Café/Müller.jpg"):
        for written in ("NFC", "NFD"):
            assert matching_entry(unicodedata.normalize(written, key), split) == (
                unicodedata.normalize("NFC", key) if key != "a/first.png" else None
            )
