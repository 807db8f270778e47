"""jobs/train.py as a user runs it: every stage, resume after a kill, wrong arguments."""

import os
import signal
import subprocess
import time

import pytest
import torch

from tests.train_job import assert_same_state, command, newest_state, run, weights


def test_the_method_trains_stage_after_stage_and_says_when_it_is_finished(faces_parquet, tmp_path):
    done = run(faces_parquet, tmp_path, "all", "--steps", "2")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in tmp_path.glob("*.safetensors")} == {
        "generator.safetensors",
        "structure.safetensors",
        "texture.safetensors",
    }
    assert "next: python jobs/evaluate.py" in done.stdout
    again = run(faces_parquet, tmp_path, "texture", "--steps", "2")
    assert again.returncode == 0
    assert "already finished" in again.stdout
    elsewhere = run(faces_parquet, tmp_path / "elsewhere", "texture", "--steps", "1", "--init", str(tmp_path))
    assert elsewhere.returncode == 0, elsewhere.stderr
    copied = (tmp_path / "elsewhere" / "structure.safetensors").read_bytes()  # so that both stages restore from there
    assert copied == (tmp_path / "structure.safetensors").read_bytes()


def test_a_killed_run_goes_on_to_the_same_state_bit_for_bit(faces_parquet, tmp_path):
    stage = "structure"  # the texture stage: tests/fault/test_training.py
    steps = ("--steps", "6", "--checkpoint-every", "2")
    whole = run(faces_parquet, tmp_path / "whole", stage, *steps)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(command(faces_parquet, tmp_path / "cut", stage, *steps), start_new_session=True)
    note = tmp_path / "cut" / "runs" / stage / "checkpoints" / "step-00000002.json"
    deadline = time.monotonic() + 120
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert note.exists()
    assert run(faces_parquet, tmp_path / "cut", stage, *steps).returncode == 0
    assert newest_state(tmp_path / "cut", stage)["step"] == 6
    assert_same_state(tmp_path / "whole", tmp_path / "cut", stage)
    for name, value in weights(tmp_path / "whole", stage).items():
        assert torch.equal(value, weights(tmp_path / "cut", stage)[name]), name


def test_another_configuration_is_refused_for_a_begun_run(faces_parquet, tmp_path):
    assert run(faces_parquet, tmp_path, "generator", "--steps", "1").returncode == 0
    other = run(faces_parquet, tmp_path, "generator", "--steps", "2", "--set", "seed=7")
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
        (("--workers", "99"), "cannot be shared by 99 workers"),
    ],
)
def test_wrong_inputs_end_with_one_line_and_code_2(faces_parquet, tmp_path, more, told):
    done = run(faces_parquet, tmp_path / "out", "texture", *more)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_missing_earlier_stage_is_named(faces_parquet, tmp_path):
    done = run(faces_parquet, tmp_path, "texture", "--set", "seeded_generator=false")
    assert done.returncode == 2
    assert "train --stage structure first, or name --init" in done.stderr
