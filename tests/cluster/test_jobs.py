"""The jobs on a real cluster of several nodes on this machine: submitted, failing, stopped, and losing a node."""

from __future__ import annotations

import json
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
from tests.train_job import assert_same_state

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
RAY = Path(sys.executable).with_name("ray")
COUNT = 250


class Cluster:
    """A head and joined nodes, each a set of real Ray processes with an object store of its own."""

    def __init__(self, folder: Path):
        self.environment = {
            **os.environ,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",  # the tests' own Ray has it off
            "PATH": f"{RAY.parent}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "0" * 64,
            "HOME": str(folder),
        }
        self.port, self.dashboard = free_port(), free_port()
        options = f"--head --port={self.port} --dashboard-port={self.dashboard} --num-cpus=3"
        self.head = self.node(*options.split(), "--dashboard-host=127.0.0.1", "--include-dashboard=true")

    def wait(self) -> None:
        """Until the head takes jobs: the node's job agent comes up after the dashboard."""
        wait_for(self.dashboard, 200)
        deadline = time.monotonic() + 200
        while self.submit("-c", "pass").wait() != 0:
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

    def submit(self, *job: str, name: str | None = None) -> subprocess.Popen[str]:
        named = [f"--submission-id={name}"] if name else []
        return self.jobs("submit", *named, "--working-dir", ".", "--", "python", *job)

    def jobs(self, command: str, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [RAY, "job", command, "--address", f"http://127.0.0.1:{self.dashboard}", *more],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("home"))
    nodes = [running.head]
    try:
        running.wait()
        nodes.append(running.join())
        yield running
    finally:
        for node in nodes:
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
    try:
        out, _ = job.communicate(timeout=400)
    except subprocess.TimeoutExpired:
        job.kill()
        pytest.fail(f"not finished: {job.communicate()[0][-4000:]}")
    assert job.returncode == 0, out[-4000:]
    return out


def wait_for_file(path: Path, job: subprocess.Popen[str]) -> None:
    """Until the running job has written ``path``."""
    deadline = time.monotonic() + 300
    while not path.exists():
        if time.monotonic() > deadline or job.poll() is not None:
            job.terminate()
            pytest.fail(f"no {path}: {job.communicate()[0][-4000:]}")
        time.sleep(0.1)


def stop(cluster: Cluster, name: str, job: subprocess.Popen[str]) -> None:
    """``ray job stop``: the submitting command ends, and says why."""
    assert job.poll() is None
    finished(cluster.jobs("stop", name))
    out, _ = job.communicate(timeout=60)
    assert "was stopped" in out


def train(faces: Path, output: Path, *more: str) -> list[str]:
    data = str(faces.with_suffix(".parquet"))
    job = f"jobs/train.py --preset tiny --stage texture --data {data} --val {data} --output {output}"
    return [*job.split(), *more]


def test_a_submitted_training_job_shows_its_log_and_succeeds(cluster: Cluster, faces: Path, tmp_path: Path) -> None:
    out = finished(cluster.submit(*train(faces, tmp_path / "run", "--steps", "4", "--workers", "2")))
    assert "[texture] done" in out
    assert (tmp_path / "run" / "texture.safetensors").exists()


def test_training_on_three_nodes_outlives_one_and_being_stopped_and_nothing_differs(
    cluster: Cluster, faces: Path, tmp_path: Path
) -> None:
    """Workers of two CPUs each: no node has room for a second one, so each of the three holds one."""
    more = ["--steps", "20", "--checkpoint-every", "2", "--workers", "3", "--cpus-per-worker", "2"]
    extra = cluster.join()
    finished(cluster.submit(*train(faces, tmp_path / "calm", *more)))
    disturbed = train(faces, tmp_path / "disturbed", *more)
    job = cluster.submit(*disturbed, name="training")
    checkpoints = tmp_path / "disturbed" / "runs" / "texture" / "checkpoints"
    wait_for_file(checkpoints / "step-00000002.json", job)
    kill(extra)
    another = cluster.join()
    wait_for_file(checkpoints / "step-00000006.json", job)
    stop(cluster, "training", job)
    finished(cluster.submit(*disturbed))
    kill(another)
    assert_same_state(tmp_path / "calm", tmp_path / "disturbed", "texture")


def test_models_run_only_where_gpus_are(cluster: Cluster, faces: Path, tiny_weights: str, tmp_path: Path) -> None:
    """A node that says it has a GPU stands in for one: without it restoration waits, with it jobs end."""
    waiting = cluster.submit(*restoration(faces, tiny_weights, tmp_path / "out", "--gpus-per-worker", "1"))
    wait_for_file(tmp_path / "out" / "_job" / "job.json", waiting)
    time.sleep(15)
    assert waiting.poll() is None
    assert not list((tmp_path / "out").glob("*.png"))
    gpu_node = cluster.join("--num-gpus=1")
    finished(waiting)
    assert len(restored(tmp_path / "out")) == COUNT
    job = f"jobs/evaluate.py --data {faces} --masks squares:8 --methods two-stage,mean --weights {tiny_weights}"
    finished(cluster.submit(*job.split(), "--output", str(tmp_path / "eval")))
    kill(gpu_node)
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text())["n"] == COUNT
    assert (tmp_path / "eval" / "report.html").exists()


def test_a_failing_job_says_why_and_fails(cluster: Cluster, faces: Path, tmp_path: Path) -> None:
    job = cluster.submit(*train(faces, tmp_path / "run", "--set", "texture.width=3"))
    out, _ = job.communicate(timeout=200)
    assert job.returncode != 0
    assert "no such field" in out


def restoration(faces: Path, weights: str, output: Path, *more: str) -> list[str]:
    job = f"jobs/batch_inpaint.py --input {faces} --masks squares --weights {weights} --cpus-per-worker 1"
    return [*job.split(), "--output", str(output), *more]


def restored(output: Path) -> dict[str, bytes]:
    """Every output by name, after a look at the ledger: one row each."""
    rows = pa.concat_tables([pq.read_table(path) for path in (output / "ledger").iterdir()])
    pictures = {path.name: path.read_bytes() for path in output.glob("*.png")}
    assert len(pictures) == COUNT
    assert sorted(rows["key"].to_pylist()) == sorted(pictures)
    return pictures


@pytest.fixture(scope="module")
def calm(cluster: Cluster, faces: Path, tiny_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("calm")
    finished(cluster.submit(*restoration(faces, tiny_weights, output / "out")))
    return output / "out"


def test_restoration_outlives_a_node(
    cluster: Cluster, faces: Path, tiny_weights: str, calm: Path, tmp_path: Path
) -> None:
    extra = cluster.join()
    disturbed = cluster.submit(*restoration(faces, tiny_weights, tmp_path / "out", "--workers", "2"))
    wait_for_file(tmp_path / "out" / "000.png", disturbed)
    kill(extra)
    another = cluster.join()
    finished(disturbed)
    kill(another)
    assert restored(tmp_path / "out") == restored(calm)


def test_a_stopped_restoration_goes_on(
    cluster: Cluster, faces: Path, tiny_weights: str, calm: Path, tmp_path: Path
) -> None:
    command = restoration(faces, tiny_weights, tmp_path / "out")
    job = cluster.submit(*command, name="restoration")
    wait_for_file(tmp_path / "out" / "000.png", job)
    stop(cluster, "restoration", job)
    finished(cluster.submit(*command))
    assert restored(tmp_path / "out") == restored(calm)
