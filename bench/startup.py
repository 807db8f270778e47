"""Row (g): seconds from the command to the end of each job's least work, and what of it is Ray's and torch's own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.restoration import ROOT, faces, seconds_of

RUNS = 2  # of which the quicker one counts
CONNECT = "import faceinpaint.cli; from faceinpaint.ray_session import connect; connect()"
ALONE = {
    "torch alone": "import torch",
    "Ray alone": CONNECT,
    "Ray Data alone": f"{CONNECT}; import ray; ray.data.range(1).map_batches(lambda batch: batch).materialize()",
}


def start_up(weights: str) -> dict[str, float]:
    """One picture prepared, restored and judged, and one training step, each by its command."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = faces(64, 16)
        Path(folder, "one").mkdir()
        Path(folder, "one", "a.png").write_bytes(pictures[0])
        data = f"{folder}/faces.parquet"
        pq.write_table(pa.table({"key": [str(i) for i in range(16)], "image": pictures}), data)
        train = f"train.py --preset tiny --stage pconv --data {data} --val {data} --steps 1"
        restore = f"batch_inpaint.py --input {folder}/one --masks squares --weights {weights}"
        jobs = {
            "prepare": f"prepare.py {folder}/one",
            "train": train,
            "train in process": f"{train} --workers 0",
            "batch_inpaint": restore,
            "batch_inpaint, faces256": restore.replace(weights, str(ROOT / "weights" / "faces256")),
            "batch_inpaint on Ray": f"{restore} --workers 1",
            "evaluate": f"evaluate.py --data {folder}/one --methods two-stage --weights {weights}",
        }
        found: dict[str, list[float]] = {}
        for run in range(RUNS):
            for name, line in jobs.items():
                script, *arguments = line.split()
                command = [f"{ROOT}/jobs/{script}", *arguments, "--output", f"{folder}/{name.replace(' ', '-')}-{run}"]
                found.setdefault(name, []).append(seconds_of([sys.executable, *command]))
            for name, code in ALONE.items():
                found.setdefault(name, []).append(seconds_of([sys.executable, "-c", code]))
    return {name: min(seconds) for name, seconds in found.items()}
