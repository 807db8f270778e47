"""jobs/demo.py replaces its own folder and no other."""

import runpy
from pathlib import Path

import pytest

from faceinpaint.errors import InputError

DEMO = runpy.run_path(str(Path(__file__).parents[2] / "jobs" / "demo.py"))


def test_an_earlier_demo_is_replaced(tmp_path):
    DEMO["clear"](tmp_path / "demo")
    (tmp_path / "demo" / "old.png").write_bytes(b"")
    DEMO["clear"](tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [DEMO["MARKER"]]


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path):
    (tmp_path / "original").mkdir()
    with pytest.raises(InputError, match="no demo made it"):
        DEMO["clear"](tmp_path)
    assert (tmp_path / "original").is_dir()
