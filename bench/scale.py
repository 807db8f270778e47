"""What grows with the archive: the driver's memory and the ledger, with an identity model in the real pipeline.

python -m bench.scale [--keys 10000 100000 1000000]

Each size runs in processes of its own: once whole, once more when all is done, and once after losing its newest ledger
file, as after a kill. Writes bench/scale.json.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from bench.machine import machine
from faceinpaint.inference import painter
from faceinpaint.inference.restore import Options, restore
from faceinpaint.inference.travel import Examined, Painted, pack, unpack

RESULTS = Path(__file__).parent / "scale.json"
ROWS_A_FILE = 50_000


class IdentityPainter:
    """Stands in for the model: what is painted is what was there."""

    def __init__(self, *_: Any):
        pass

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        pictures: list[Examined] = unpack(batch["work"])
        return {"work": pack([Painted(examined=each, patches=each.plan.crops) for each in pictures])}


def write_archive(folder: Path, keys: int) -> None:
    """Parquet files of ``keys`` rows, all with one small picture."""
    sink = io.BytesIO()
    Image.new("RGB", (64, 64), (180, 140, 120)).save(sink, "PNG")
    for first in range(0, keys, ROWS_A_FILE):
        names = [f"{i:09d}" for i in range(first, min(keys, first + ROWS_A_FILE))]
        table = pa.table({"key": names, "image": [sink.getvalue()] * len(names)})
        pq.write_table(table, folder / f"{first:09d}.parquet", row_group_size=1024)


def restore_here(source: str, output: str, weights: str) -> None:
    """Run bulk restoration in this process; prints the most memory of its own that it held, and its CPU time."""
    painter.Painter = IdentityPainter  # type: ignore[misc,assignment]
    peak = 0.0

    def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, own_megabytes())
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True).start()
    options = Options(input=source, masks="squares", output=output, weights=weights, workers=1)
    restore(options, cpus_per_worker=0.5)
    print("measured", json.dumps({"driver_peak_mb": peak, "driver_cpu_seconds": time.process_time()}))


def own_megabytes() -> float:
    """Anonymous memory of this process: without libraries, and without the object store it looks into."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def measured(source: Path, output: Path, weights: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.scale", "--weights", weights, "--here", str(source), str(output)]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"seconds": time.perf_counter() - began, **json.loads(done.stdout.split("measured")[1])}


def row(keys: int, weights: str) -> dict[str, Any]:
    """One size: a whole run, a run with nothing to do, and one that goes on after losing the newest ledger file."""
    with tempfile.TemporaryDirectory() as temporary:
        source, output = Path(temporary, "in"), Path(temporary, "out")
        source.mkdir()
        write_archive(source, keys)
        whole = measured(source, output, weights)
        again = measured(source, output, weights)
        ledger = sorted((output / "ledger").glob("*.parquet"))
        ledger[-1].unlink()
        resumed = measured(source, output, weights)
        rows = sum(pq.read_metadata(file).num_rows for file in (output / "ledger").glob("*.parquet"))
        assert rows == keys, rows
        size = sum(file.stat().st_size for file in (output / "ledger").glob("*.parquet")) / 1e6
        return {
            "keys": keys,
            "whole": whole,
            "nothing_to_do": again,
            "resumed": resumed,
            "ledger_files": len(ledger),
            "ledger_mb": size,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--weights", default="weights/celeba64")
    parser.add_argument("--here", nargs=2, metavar=("SOURCE", "OUTPUT"), help="one run in this process")
    args = parser.parse_args()
    if args.here:
        restore_here(args.here[0], args.here[1], args.weights)
        return
    results: dict[str, Any] = {"machine": machine(), "rows": []}
    for keys in args.keys:
        results["rows"].append(row(keys, args.weights))
        RESULTS.write_text(json.dumps(results, indent=1))
        print(json.dumps(results["rows"][-1]), flush=True)


if __name__ == "__main__":
    main()
