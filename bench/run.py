"""``make bench``: every figure in bench/results.json comes from here, measured in turns in one run.

python -m bench.run [--weights DIR] [--rounds N]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch

from bench import evaluation, networks, onnx_runtime, photographs, restoration, startup, training
from bench.markdown import table
from bench.timing import DTYPES
from faceinpaint.version import commit

RESULTS = Path(__file__).parent / "results.json"
TABLE = Path(__file__).parent / "results.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="weights/celeba64")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the timings at 256 px")
    args = parser.parse_args()
    results: dict[str, Any] = {"machine": machine()}
    results["pipeline"] = {p: restoration.pipeline_over_model(args.weights, p) for p in DTYPES}
    results["step_costs_ms"] = restoration.step_costs(64)
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/faces.parquet"
        pictures = restoration.faces(64, 512)
        pq.write_table(pa.table({"key": [str(i) for i in range(512)], "image": pictures}), data, row_group_size=128)
        results["ray_train"] = training.ray_over_ddp(data, "celeba64")
    results["evaluation"] = evaluation.evaluation_over_script()
    results["start_up_seconds"] = startup.start_up(args.weights)
    results["photographs_12mp"] = photographs.over_codec()
    results["onnx"] = onnx_runtime.rows(args.weights, 3 * args.rounds)
    results["networks_64"] = networks.rows("celeba64", 3 * args.rounds)
    results["training_steps"] = training.step_rows("celeba64", args.rounds)
    results["networks_256"] = networks.rows("celebahq256-native", args.rounds)
    results["attention_mb_256"] = networks.attention_megabytes("celebahq256-native")
    results["aims"] = aims(results)
    RESULTS.write_text(json.dumps(results, indent=1))
    TABLE.write_text(report(results))
    print(TABLE.read_text())


def machine() -> dict[str, Any]:
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in cpus if line.startswith("model name")), platform.processor())
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit() or "unknown",
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "ray": ray.__version__,
    }


def aims(results: dict[str, Any]) -> dict[str, float]:
    """The ratios the project is held to."""
    big = results["networks_256"]
    time_of = {(r["method"], r["precision"], r["batch"]): r["seconds_a_picture"] for r in big}
    best = min(t for (method, _, batch), t in time_of.items() if method == "two-stage" and batch == 1)
    eights = [r for r in big if r["method"] == "two-stage" and r["batch"] == 8]
    fastest = min(eights, key=lambda r: r["seconds_a_picture"])
    return {
        "rfr_time_over_ours_256": time_of["rfr", "fp32", 1] / best,
        "forward_share_of_peak": fastest["share_of_matmul_peak"],
        "pipeline_over_bare_model": results["pipeline"]["fp32"]["ratio"],
        "ray_train_over_bare_ddp": results["ray_train"]["ratio"],
        "in_process_over_ray_train": results["ray_train"]["in_process_over_ray_train"],
        "onnx_over_torch": results["onnx"][0]["onnx_over_torch"],
        **photographs.aims(results["photographs_12mp"]),
        "one_photo_seconds": results["start_up_seconds"]["batch_inpaint"],
        "restoration_start_up_seconds": results["start_up_seconds"]["batch_inpaint on Ray"],
        "in_process_training_seconds": results["start_up_seconds"]["train in process"],
    }


def report(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    networks = [
        (
            *(r["preset"], r["method"], r["precision"], str(r["batch"]), f"{r['seconds_a_picture']:.4f}"),
            *(f"{r['gflop_a_picture']:.1f}", f"{r['share_of_matmul_peak']:.2f}", f"{r['peak_mb']:.0f}"),
        )
        for r in results["networks_256"] + results["networks_64"]
    ]
    stages = [
        (r["stage"], str(r["batch"]), f"{r['ours']:.2f}", f"{r['ours_over_bare']:.2f}")
        for r in results["training_steps"]
    ]
    jobs = []
    for name, key in {"restoration": "pipeline", "evaluation": "evaluation", "Ray Train": "ray_train"}.items():
        for label, r in results[key].items() if key == "pipeline" else [("", results[key])]:
            ours, alone, ratio = list(r.values())[:3]
            jobs.append((f"{name} {label}", f"{ours:.1f}", f"{alone:.1f}", f"{ratio:.2f}"))
    m = results["machine"]
    parts = [
        table(("aim", "measured"), ((name, f"{value:.2f}") for name, value in results["aims"].items())),
        table(
            ("preset", "method", "precision", "batch", "s per picture", "GFLOP", "share of matmul", "peak MB"), networks
        ),
        table(("stage", "batch", "s per step", "over a bare loop"), stages),
        f"Attention at 256 px takes {results['attention_mb_256']:.0f} MB per picture beyond its maps.",
        table(("job", "pictures/s", "alone, pictures/s", "ratio"), jobs),
        f"Beside the training worker Ray took {results['ray_train']['ray_share']:.3f} of the machine's CPUs.",
        table(
            ("job", "start-up to end of its least work, s"),
            ((name, f"{value:.1f}") for name, value in results["start_up_seconds"].items()),
        ),
        table(photographs.HEAD, photographs.cells(results["photographs_12mp"])),
        table(("step", "ms per picture"), ((name, f"{ms:.3f}") for name, ms in results["step_costs_ms"].items())),
        f"{m['date']}, commit {m['commit']}, {m['cpu']}, {m['cores']} cores, torch {m['torch']}, Ray {m['ray']}.",
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
