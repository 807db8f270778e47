"""faceinpaint train in a process of its own, and what it leaves."""

import subprocess
import sys
from pathlib import Path

import torch

JOB = Path(__file__).parents[1] / "jobs" / "train.py"


def command(faces, output, stage, *more):
    files = ["--data", faces, "--val", faces, "--output", str(output)]
    return [sys.executable, str(JOB), "--preset", "tiny", "--stage", stage, *files, "--workers", "0", *more]


def run(*arguments):
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=280)


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


def assert_same_state(a, b, stage):
    """Two runs' newest checkpoints are equal, bit for bit."""
    assert_equal(newest_state(a, stage), newest_state(b, stage))


def assert_equal(state, other):
    """Two states of a run hold the same tensors and numbers, bit for bit."""
    expected, got = flat(state), flat(other)
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        same = torch.equal(value, got[name]) if isinstance(value, torch.Tensor) else value == got[name]
        assert same, name
