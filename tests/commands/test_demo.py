"""The demo replaces its own folder and no other."""

import pytest

from faceinpaint.commands.demo import DEMO_MADE_IT, clear
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
