"""The jobs on a real cluster of several nodes on this machine: submitted, failing, and losing a node half-way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.conftest import free_port, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
RAY = Path(sys.executable).with_name("ray")
COUNT = 120


class Cluster:
    """A head and joined nodes, each a set of real Ray processes with an object store of its own."""

    def __init__(self, folder: Path):
        self.environment = {
            **os.environ,
            "PATH": f"{RAY.parent}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "0" * 64,
            "HOME": str(folder),
        }
        self.port, self.dashboard = free_port(), free_port()
        options = f"--head --port={self.port} --dashboard-port={self.dashboard} --num-cpus=3"
        self.head = self.node(*options.split(), "--dashboard-host=127.0.0.1", "--include-dashboard=true")
        wait_for(self.dashboard, 90)
        deadline = time.monotonic() + 90
        while self.submit("-c", "pass").wait() != 0:  # the node's job agent comes up after the dashboard
            assert time.monotonic() < deadline
            time.sleep(1)

    def node(self, *options: str) -> subprocess.Popen[bytes]:
        command = [RAY, "start", "--block", "--node-ip-address=127.0.0.1", "--disable-usage-stats", *options]
        # Nodes of a real cluster have hosts of their own; on one host a joining node would clear the others' uploads.
        command += [f"--dashboard-agent-listen-port={free_port()}", f"--temp-dir={tempfile.mkdtemp(prefix='ray-')}"]
        return subprocess.Popen(
            command, env=self.environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def join(self, *options: str) -> subprocess.Popen[bytes]:
        return self.node(f"--address=127.0.0.1:{self.port}", "--num-cpus=2", *options)

    def submit(self, *job: str) -> subprocess.Popen[str]:
        command = [RAY, "job", "submit", "--address", f"http://127.0.0.1:{self.dashboard}", "--working-dir", "."]
        return subprocess.Popen(
            [*command, "--", "python", *job],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("home"))
    nodes = [running.join()]
    yield running
    for node in [*nodes, running.head]:
        kill(node)


def kill(node: subprocess.Popen[bytes]) -> None:
    """The whole node dies at once, as a machine does."""
    os.killpg(node.pid, signal.SIGKILL)
    node.wait()


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, and the same as Parquet beside it."""
    folder = tmp_path_factory.mktemp("faces") / "in"
    folder.mkdir()
    for i in range(COUNT):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"{i:03d}.png")
    rows = [{"key": path.stem, "image": path.read_bytes()} for path in sorted(folder.iterdir())]
    pq.write_table(pa.Table.from_pylist(rows), folder.with_suffix(".parquet"), row_group_size=20)
    return folder


def finished(job: subprocess.Popen[str]) -> str:
    out, _ = job.communicate(timeout=400)
    assert job.returncode == 0, out[-4000:]
    return out


def train(faces: Path, output: Path, *more: str) -> list[str]:
    data = str(faces.with_suffix(".parquet"))
    job = f"jobs/train.py --preset tiny --stage texture --data {data} --val {data} --output {output}"
    return [*job.split(), *more]


def test_a_submitted_training_job_shows_its_log_and_succeeds(cluster: Cluster, faces: Path, tmp_path: Path) -> None:
    out = finished(cluster.submit(*train(faces, tmp_path / "run", "--steps", "4", "--workers", "2")))
    assert "[texture] done" in out
    assert (tmp_path / "run" / "texture.safetensors").exists()


def test_a_failing_job_says_why_and_fails(cluster: Cluster, faces: Path, tmp_path: Path) -> None:
    job = cluster.submit(*train(faces, tmp_path / "run", "--set", "texture.width=3"))
    out, _ = job.communicate(timeout=200)
    assert job.returncode != 0
    assert "no such field" in out


def test_restoration_outlives_a_node(cluster: Cluster, faces: Path, tiny_weights: str, tmp_path: Path) -> None:
    job = ["jobs/batch_inpaint.py", "--input", str(faces), "--masks", "squares", "--weights", tiny_weights]
    job += ["--cpus-per-worker", "1", "--workers", "2"]
    finished(cluster.submit(*job, "--output", str(tmp_path / "calm")))
    extra = cluster.join()
    disturbed = cluster.submit(*job, "--output", str(tmp_path / "disturbed"))
    deadline = time.monotonic() + 100
    while not list((tmp_path / "disturbed").glob("*.png")):
        if time.monotonic() > deadline or disturbed.poll() is not None:
            disturbed.terminate()
            pytest.fail(f"nothing was restored: {disturbed.communicate()[0][-4000:]}")
        time.sleep(0.2)
    kill(extra)
    another = cluster.join()
    finished(disturbed)
    kill(another)
    calm, shaken = ({p.name: p.read_bytes() for p in (tmp_path / n).glob("*.png")} for n in ("calm", "disturbed"))
    assert len(calm) == COUNT
    assert calm == shaken
    rows = pa.concat_tables([pq.read_table(p) for p in (tmp_path / "disturbed" / "ledger").iterdir()])
    assert sorted(rows["key"].to_pylist()) == sorted(calm)
