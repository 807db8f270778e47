"""A folder is one job's: the same job goes on there, every other is refused and told why."""

import json

import pytest

from faceinpaint.claim import claim, differences
from faceinpaint.errors import InputError
from faceinpaint.storage import PART

JOB = {"source": "photos", "crop": (1, 2, 3, 4), "size": None}
NOTE = "_job/job.json"


def test_an_empty_folder_becomes_the_job_s_and_stays_it(tmp_path):
    (tmp_path / "dry-run.html").touch()
    claim(str(tmp_path), NOTE, JOB, harmless=["dry-run.html"])
    assert json.loads((tmp_path / NOTE).read_text()) == {"source": "photos", "crop": [1, 2, 3, 4], "size": None}
    for name in ("done.png", f"{PART}half"):
        (tmp_path / name).touch()
    claim(str(tmp_path), NOTE, JOB)  # goes on, without what was half written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_job", "done.png", "dry-run.html"]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({**JOB, "crop": (1, 2, 3, 5)}, "another crop:"),
        ({"source": "scans", "crop": (1, 2, 3, 4), "more": 1}, "more, source:"),
    ],
)
def test_another_job_is_refused_by_the_names_of_what_differs(other, named, tmp_path):
    claim(str(tmp_path), NOTE, JOB)
    before = (tmp_path / NOTE).read_bytes()
    with pytest.raises(InputError, match=f"{named} choose another `output`"):
        claim(str(tmp_path), NOTE, other)
    assert (tmp_path / NOTE).read_bytes() == before


def test_what_a_killed_run_left_half_written_does_not_make_a_folder_another_s(tmp_path):
    (tmp_path / f"{PART}half").touch()
    claim(str(tmp_path), NOTE, JOB)
    assert [path.name for path in tmp_path.iterdir()] == ["_job"]


def test_a_folder_of_others_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(InputError, match=r"is not empty \(letter.txt\): choose an empty `output`"):
        claim(str(tmp_path), NOTE, JOB)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_differences_go_down_the_tree():
    a, b = {"x": {"y": 1, "z": [1, 2]}, "w": 0}, {"x": {"y": 2, "z": [1, 2]}, "v": 3, "w": 0}
    assert differences(a, b) == ["v", "x.y"]
    assert differences(a, a) == []
