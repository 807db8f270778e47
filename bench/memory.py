"""Whether memory stays flat as an archive grows: peaks of bulk restoration over aligned faces, the real model included.

python -m bench.memory [--pictures 500 5000]

Each size runs in a fresh job. Measured twice a second: the driver's own (anonymous) memory, and the proportional share
(PSS) of all processes of the job together, Ray's and the object store included. Writes bench/memory.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.restoration import ROOT, faces
from faceinpaint.models.weights import load_config
from faceinpaint.storage import write_bytes

RESULTS = Path(__file__).parent / "memory.json"
EVERY = 0.5  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--weights", default="weights/celeba64")
    args = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "rows": []}
    for pictures in args.pictures:
        results["rows"].append({"pictures": pictures} | peaks(pictures, args.weights))
        RESULTS.write_text(json.dumps(results, indent=1))
        print(json.dumps(results["rows"][-1]), flush=True)


def peaks(pictures: int, weights: str) -> dict[str, float]:
    """Run a job over ``pictures`` faces and watch it."""
    with tempfile.TemporaryDirectory() as folder:
        for i, picture in enumerate(faces(load_config(weights).image_size, pictures)):
            write_bytes(f"{folder}/in/{i // 100}/{i}.png", picture)
        command = [sys.executable, str(ROOT / "jobs/batch_inpaint.py"), "--input", f"{folder}/in"]
        command += ["--masks", "squares", "--output", f"{folder}/out", "--weights", weights]
        began = time.perf_counter()
        job = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        driver = together = 0.0
        while job.poll() is None:
            driver = max(driver, megabytes(job.pid, "status", "RssAnon"))
            together = max(together, sum(megabytes(pid, "smaps_rollup", "Pss") for pid in session(job.pid)))
            time.sleep(EVERY)
        if job.returncode:
            raise RuntimeError(f"the job ended with {job.returncode}")
        return {"driver_mb": driver, "all_processes_mb": together, "seconds": time.perf_counter() - began}


def session(leader: int) -> list[int]:
    """Ids of the processes in the session that ``leader`` opened."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[3]) == leader:
            found.append(int(entry.name))
    return found


def megabytes(pid: int, file: str, name: str) -> float:
    """The field ``name`` of /proc/PID/``file``; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)


if __name__ == "__main__":
    main()
