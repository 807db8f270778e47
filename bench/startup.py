"""Row (g): seconds from the command to the end of each job's least work."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.restoration import ROOT, faces, seconds_of


def start_up(weights: str) -> dict[str, float]:
    """One picture prepared, restored and judged, and one training step, each by its command."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = faces(64, 16)
        Path(folder, "one").mkdir()
        Path(folder, "one", "a.png").write_bytes(pictures[0])
        data = f"{folder}/faces.parquet"
        pq.write_table(pa.table({"key": [str(i) for i in range(16)], "image": pictures}), data)
        jobs = {
            "prepare": f"prepare.py {folder}/one --output {folder}/prepared",
            "train": f"train.py --preset tiny --stage pconv --data {data} --val {data} --output {folder}/run --steps 1",
            "batch_inpaint": f"batch_inpaint.py --input {folder}/one --masks squares --output {folder}/restored",
            "evaluate": f"evaluate.py --data {folder}/one --methods two-stage --output {folder}/eval",
        }
        for job in ("batch_inpaint", "evaluate"):
            jobs[job] += f" --weights {weights}"
        return {
            name: seconds_of([sys.executable, f"{ROOT}/jobs/{line.split()[0]}", *line.split()[1:]])
            for name, line in jobs.items()
        }
