"""The demo restores ten kinds of damage and shows them; it replaces its own folder and no other."""

import re

import cv2
import numpy as np
import pytest
from PIL import Image

from faceinpaint.commands.demo import DEMO_MADE_IT, astronaut, clear, main
from faceinpaint.data.damage.portrait import ten_cases
from faceinpaint.errors import InputError


def test_an_earlier_demo_is_replaced(tmp_path):
    clear(tmp_path / "demo")
    (tmp_path / "demo" / "old.png").write_bytes(b"")
    clear(tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [DEMO_MADE_IT]


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path):
    (tmp_path / "original").mkdir()
    with pytest.raises(InputError, match="no demo made it"):
        clear(tmp_path)
    assert (tmp_path / "original").is_dir()


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "demo"
    assert main(["--weights", "weights/celeba64", "--output", str(folder)]) == 0
    return folder


def test_ten_kinds_of_damage_change_their_holes_alone():
    portrait, face = astronaut()
    cases = ten_cases(portrait, face)
    assert len(cases) == 10
    for name, (damaged, hole) in cases.items():
        changed = (damaged != portrait).any(-1)
        assert changed.any(), name
        assert not changed[hole == 0].any(), name
        assert hole.mean() < 0.3, name


@pytest.mark.slow
def test_the_page_shows_every_case_and_its_figures(shown):
    page = (shown / "index.html").read_text()
    files = re.findall(r"url\('([^']+)'\)", page)
    assert len(set(files)) == 20
    assert all((shown / file).is_file() for file in files)
    assert page.count("<section") == 10
    figures = [float(value) for value in re.findall(r"<td>([\d.]+)</td>", page)]
    assert len(figures) == 40  # ours and the classical fill's, of two kinds


@pytest.mark.slow
def test_outside_the_holes_the_portrait_is_the_original(shown):
    portrait, face = astronaut()
    for name, (damaged, hole) in ten_cases(portrait, face).items():
        if name == "marker":  # a JPEG
            continue
        restored = np.asarray(Image.open(shown / "restored" / f"{name}.png"))
        far = cv2.dilate(hole, np.ones((17, 17), np.uint8)) == 0  # holes grow to what the damage touches
        assert np.array_equal(restored[far], damaged[far]), name
