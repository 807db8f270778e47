"""``make bench``: every figure in bench/results.json comes from here, measured in turns in one run.

python -m bench.run [--weights DIR] [--rounds N] [--device cpu|cuda] [--only PART ...]

``--only``: these parts alone; the figures of others stay as they were. With another device than the CPU the parts that
run on it, into results-DEVICE.json. ``python -m bench.pages`` puts the figures into docs/speed.md and docs/scaling.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import archive, evaluation, networks, onnx_runtime, photographs, restoration, startup, training
from bench.aims import aims
from bench.machine import machine
from bench.report import report
from bench.timing import precisions
from faceinpaint.device import choose_device
from faceinpaint.errors import InputError

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
SMALL, LARGE, PRODUCT = "celeba64", "celebahq256-native", "faces256"
Part = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="weights/celeba64")
    parser.add_argument("--rounds", type=int, default=2, help="turns of the timings at 256 px")
    parser.add_argument("--device", help="torch device; default cpu")
    parser.add_argument("--only", nargs="+", metavar="PART", help="parts to measure; default all")
    args = parser.parse_args()
    try:
        device = choose_device(args.device or "cpu")
    except InputError as error:
        sys.exit(str(error))
    parts = (on_cpus if device.type == "cpu" else on_a_device)(args.weights, args.rounds, str(device))
    unknown = set(args.only or ()) - set(parts)
    if unknown:
        sys.exit(f"no part {', '.join(sorted(unknown))}: choose from {', '.join(parts)}")
    path = RESULTS if device.type == "cpu" else FOLDER / f"results-{device.type}.json"
    known = json.loads(path.read_text()) if args.only and path.exists() else {}
    results = measure(parts, args.only or list(parts), path, known | {"machine": machine(device)})
    path.with_suffix(".md").write_text(report(results))
    print(report(results))


def measure(parts: dict[str, Part], chosen: list[str], path: Path, known: dict[str, Any]) -> dict[str, Any]:
    """What is ``known``, and the figures of the ``chosen`` parts in turn; written to ``path`` after each of them."""
    results = dict(known)
    for name in chosen:
        began = time.perf_counter()
        results[name] = parts[name]()
        took = time.perf_counter() - began
        results.setdefault("seconds_of_parts", {})[name] = round(took)
        results["aims"] = aims(results)
        path.write_text(json.dumps(results, indent=1))
        print(f"{name}: {took:.0f} s", flush=True)
    return results


def on_cpus(weights: str, rounds: int, device: str) -> dict[str, Part]:
    """All parts by name."""
    return {
        "pipeline": lambda: {p: restoration.pipeline_over_model(weights, p) for p in precisions(device)},
        "step_costs_ms": lambda: restoration.step_costs(64),
        "photographs_12mp": photographs.in_a_process,
        "archive_12mp": lambda: archive.over_steps(weights),
        "start_up_seconds": lambda: startup.start_up(weights),
        "onnx": lambda: onnx_runtime.rows(weights, 3 * rounds),
        "networks_64": lambda: networks.rows([(SMALL, m) for m in networks.TIMED], 3 * rounds, device),
        "networks_256": lambda: networks.rows(
            [*((LARGE, m) for m in networks.TIMED), (PRODUCT, "two-stage")], rounds, device
        ),
        "attention_mb_256": lambda: networks.attention_megabytes(LARGE),
        "training_steps": lambda: training.step_rows(SMALL, rounds, device),
        "training_steps_256": lambda: training.step_rows(PRODUCT, 1, device, training.STAGES_256, training.BATCH_256),
        "ray_train": lambda: training.ray_over_ddp(SMALL),
        "evaluation": evaluation.evaluation_over_script,
    }


def on_a_device(weights: str, rounds: int, device: str) -> dict[str, Part]:
    """The parts that compute on another device than the CPU."""
    names = ("networks_64", "networks_256", "training_steps", "training_steps_256")
    parts = on_cpus(weights, rounds, device)
    return {name: parts[name] for name in names}


if __name__ == "__main__":
    main()
