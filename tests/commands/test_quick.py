"""A wrong path is told at once, in one line; a good run says nothing that looks like an error."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
TOLD = """
import resource, sys
from faceinpaint.commands import main
try:
    main()
except SystemExit as ended:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    print(ended.code, spent.ru_utime + spent.ru_stime < 2, "ray" in sys.modules, "torch" in sys.modules)
"""


def run(*arguments, code=None, **environment):
    command = [sys.executable, *(["-c", code] if code else ["-m", "faceinpaint"]), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment})


@pytest.fixture
def photos(tmp_path):
    for name in ("in", "masks"):
        (tmp_path / name).mkdir()
    hole = np.zeros((32, 32), np.uint8)
    hole[8:16, 8:16] = 255
    for i in range(2):
        picture = np.random.default_rng(i).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / "in" / f"{i}.png")
        Image.fromarray(hole).save(tmp_path / "masks" / f"{i}.png")
    return tmp_path


def places(photos, weights):
    """The flags of a restoration of ``photos``."""
    named = {"input": photos / "in", "masks": photos / "masks", "output": photos / "out", "weights": weights}
    return [f"--{name}={place}" for name, place in named.items()]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("restore --input nowhere --masks squares --output out --weights WEIGHTS", "nowhere: no such file or folder"),
        ("restore --input IN --masks nowhere --output out --weights WEIGHTS", "nowhere"),
        ("restore --input IN --masks squares --output out --weights nowhere", "no config.yaml"),
        ("restore --input IN --masks squares --output IN/out --weights WEIGHTS", "lie in each other"),
        ("detect --input nowhere --output out --weights WEIGHTS", "nowhere: no such file or folder"),
        ("detect --input IN --output IN/out --weights WEIGHTS", "lie in each other"),
        ("prepare nowhere --output out", "nowhere: no such file or folder"),
        ("evaluate --data nowhere --output out --size 64", "nowhere: no such file or folder"),
        ("evaluate --data IN --output out --weights nowhere", "nowhere/config.yaml"),
        ("train --preset tiny --stage texture --data nowhere --val IN --output out", "no data at nowhere"),
    ],
)
def test_wrong_paths_are_told_before_ray_and_torch_are_imported(photos, tiny_weights, arguments, complaint):
    words = arguments.replace("IN", str(photos / "in")).replace("WEIGHTS", tiny_weights).split()
    ended = run(*words, code=TOLD)
    assert ended.stdout == "2 True False False\n"
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert complaint in ended.stderr


def test_an_output_inside_the_input_through_a_link_is_refused(photos, tiny_weights):
    os.symlink(photos / "in", photos / "link")
    paths = ["--input", photos / "in", "--masks", "squares", "--output", photos / "link/out", "--weights", tiny_weights]
    ended = run("restore", *paths)
    assert ended.returncode == 2
    assert "lie in each other" in ended.stderr


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_one_line(photos, tiny_weights):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    ended = run("restore", *places(photos, tiny_weights), RAY_ADDRESS=address)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: Ray could not start: nothing answers")
    assert f"RAY_ADDRESS={address}" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (photos / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--workers=2"]], ids=["in one process", "on Ray"])
def test_a_good_run_is_quiet(photos, tiny_weights, more):
    os.symlink(photos, photos / "in/round")
    ended = run("restore", *places(photos, tiny_weights), *more)
    assert ended.returncode == 0
    assert ended.stderr == ""
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("1 links to folders, or to nothing, are not followed: round;")
    assert lines[-1] == f"next: open {photos}/out/report.html"
    assert any(line.startswith("2 inputs: 2 restored") for line in lines)
    assert len(lines) <= 4


@pytest.mark.slow
def test_a_dry_run_names_what_would_fail(photos, tiny_weights):
    (photos / "masks/1.png").unlink()
    (photos / "in/note.txt").write_text("no picture")
    ended = run("restore", *places(photos, tiny_weights), "--dry-run")
    assert ended.returncode == 0
    assert "would be failed: 1 x no mask (1.png)" in ended.stdout
    assert "would be skipped: 1 x not a picture of a known format and kind (note.txt)" in ended.stdout
    assert {path.name for path in (photos / "out").iterdir()} == {"_job", "dry-run.html"}
    page = (photos / "out/dry-run.html").read_text()
    assert "Dry run: nothing was restored" in page
    assert "1.png" in page
