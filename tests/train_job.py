"""jobs/train.py in a process of its own, and what it leaves."""

import subprocess
import sys
from pathlib import Path

import safetensors.torch
import torch

JOB = Path(__file__).parents[1] / "jobs" / "train.py"


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


def assert_same_state(a, b, stage):
    """Two runs' newest checkpoints are equal, bit for bit."""
    expected, got = flat(newest_state(a, stage)), flat(newest_state(b, stage))
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        same = torch.equal(value, got[name]) if isinstance(value, torch.Tensor) else value == got[name]
        assert same, name
