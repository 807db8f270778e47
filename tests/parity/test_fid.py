"""Our Frechet distance against pytorch-fid's own command on the same files, with an Inception of seeded weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from pytorch_fid.inception import FID_WEIGHTS_URL
from skimage import data
from torch import nn
from torchvision.models import inception_v3

from faceinpaint.encoding import png_bytes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
N = 34  # more than one batch, for two workers


# Its own command, but for what SciPy 1.18 took from ``sqrtm``: the second value that it asks for and throws away.
PYTORCH_FID = """
import runpy, scipy.linalg
sqrtm = scipy.linalg.sqrtm
scipy.linalg.sqrtm = lambda matrix, disp: (sqrtm(matrix), None)
runpy.run_module("pytorch_fid", run_name="__main__")
"""


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """A torch hub cache whose Inception file holds random weights, drawn so that features are of order one."""
    torch.manual_seed(0)
    network = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    path = tmp_path / "torch" / "hub" / "checkpoints" / FID_WEIGHTS_URL.rsplit("/", 1)[1]
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
    return {**os.environ, "TORCH_HOME": str(tmp_path / "torch"), "OMP_NUM_THREADS": "1"}


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.timeout(600)
def test_equals_pytorch_fid_with_and_without_ray(tmp_path, environment):
    faces, picture = tmp_path / "faces", data.astronaut()
    faces.mkdir()
    for i in range(N):
        (faces / f"{i:02d}.png").write_bytes(png_bytes(picture[3 * i : 3 * i + 48, 150 + 2 * i : 198 + 2 * i]))
    distances = []
    for workers in (0, 2):  # in its own process, and by Ray
        output = tmp_path / f"out{workers}"
        job = [sys.executable, "jobs/evaluate.py", "--data", str(faces), "--masks", "squares:16", "--methods", "mean"]
        run([*job, "--size", "48", "--output", str(output), "--workers", str(workers)], environment)
        distances.append(json.loads((output / "metrics.json").read_text())["methods"]["mean"]["frechet"])
    assert distances[0] == distances[1]
    assert "fid" not in distances[0]["extractor"]  # these are not the published weights

    for method in ("original", "mean"):
        (tmp_path / method).mkdir()
        for part in sorted((output / "parts" / method).glob("*.parquet")):
            for row in pq.read_table(part, columns=["key", "picture"]).to_pylist():
                (tmp_path / method / row["key"]).write_bytes(row["picture"])
    command = [sys.executable, "-c", PYTORCH_FID, str(tmp_path / "mean"), str(tmp_path / "original")]
    said = run([*command, "--device", "cpu", "--num-workers", "0"], environment)
    assert distances[0]["mean"] > 0.1  # else all would be equal
    assert distances[0]["mean"] == pytest.approx(float(said.rsplit("FID:", 1)[1]), rel=1e-4)
