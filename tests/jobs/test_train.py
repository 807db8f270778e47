"""jobs/train.py as a user runs it: every stage, resume after a kill, wrong arguments."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from PIL import Image

JOB = Path(__file__).parents[2] / "jobs" / "train.py"


@pytest.fixture(scope="session")
def faces(tmp_path_factory):
    """A Parquet file of 12 smooth colour pictures and one that is none."""
    random = np.random.default_rng(0)
    rows = [{"key": "broken", "image": b"no picture"}]
    for i in range(12):
        small = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
        buffer = io.BytesIO()
        small.resize((40, 48), Image.Resampling.BICUBIC).save(buffer, "PNG")
        rows.append({"key": f"face{i}", "image": buffer.getvalue()})
    path = tmp_path_factory.mktemp("faces") / "faces.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=5)
    return str(path)


def command(faces, output, stage, *more):
    files = ["--data", faces, "--val", faces, "--output", str(output)]
    return [sys.executable, str(JOB), "--preset", "tiny", "--stage", stage, *files, "--workers", "0", *more]


def run(*arguments):
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=280)


def weights(output, stage):
    return safetensors.torch.load_file(output / f"{stage}.safetensors")


def newest_state(output, stage):
    folder = output / "runs" / stage / "checkpoints"
    return torch.load(max(folder.glob("*.pt")), weights_only=True)


def flat(tree, path=""):
    """Every tensor and number of nested dictionaries and lists, by path."""
    if isinstance(tree, dict):
        return {k: v for name, part in tree.items() for k, v in flat(part, f"{path}/{name}").items()}
    if isinstance(tree, list | tuple):
        return {k: v for i, part in enumerate(tree) for k, v in flat(part, f"{path}/{i}").items()}
    return {path: tree}


def test_the_method_trains_stage_after_stage_and_says_when_it_is_finished(faces, tmp_path):
    done = run(faces, tmp_path, "all", "--steps", "2")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in tmp_path.glob("*.safetensors")} == {
        "generator.safetensors",
        "structure.safetensors",
        "texture.safetensors",
    }
    assert "next: python jobs/evaluate.py" in done.stdout
    again = run(faces, tmp_path, "texture", "--steps", "2")
    assert again.returncode == 0
    assert "already finished" in again.stdout


@pytest.mark.parametrize("stage", ["structure", "texture"])
def test_a_killed_run_goes_on_to_the_same_state_bit_for_bit(faces, tmp_path, stage):
    steps = ("--steps", "6", "--checkpoint-every", "2")
    whole = run(faces, tmp_path / "whole", stage, *steps)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(command(faces, tmp_path / "cut", stage, *steps), start_new_session=True)
    note = tmp_path / "cut" / "runs" / stage / "checkpoints" / "step-00000002.json"
    deadline = time.monotonic() + 120
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert note.exists()
    assert run(faces, tmp_path / "cut", stage, *steps).returncode == 0
    expected, got = flat(newest_state(tmp_path / "whole", stage)), flat(newest_state(tmp_path / "cut", stage))
    assert expected.keys() == got.keys()
    assert got["/step"] == 6
    for name, value in expected.items():
        same = torch.equal(value, got[name]) if isinstance(value, torch.Tensor) else value == got[name]
        assert same, name
    for name, value in weights(tmp_path / "whole", stage).items():
        assert torch.equal(value, weights(tmp_path / "cut", stage)[name]), name


def test_another_configuration_is_refused_for_a_begun_run(faces, tmp_path):
    assert run(faces, tmp_path, "generator", "--steps", "1").returncode == 0
    other = run(faces, tmp_path, "generator", "--steps", "2", "--set", "seed=7")
    assert other.returncode == 2
    assert "holds a run with another config.seed: choose another --output" in other.stderr


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--preset", "huge"), "unknown preset 'huge'"),
        (("--data", "nowhere.parquet"), "no data at"),
        (("--crop", "0,0,400,400"), "crop 0,0,400,400 leaves a picture of 40x48"),
        (("--set", "train.texture.lr=x"), "train.texture.lr = 'x'"),
        (("--output", "/proc/none"), "/proc/none"),
    ],
)
def test_wrong_inputs_end_with_one_line_and_code_2(faces, tmp_path, more, told):
    done = run(faces, tmp_path / "out", "texture", *more)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_missing_earlier_stage_is_named(faces, tmp_path):
    done = run(faces, tmp_path, "texture", "--set", "seeded_generator=false")
    assert done.returncode == 2
    assert "train --stage structure first, or name --init" in done.stderr
