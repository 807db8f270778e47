"""The tables of docs/study.md from a finished sweep: python -m study.tables runs/eval."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faceinpaint.evaluation.tables import NAMES

METHODS = {
    "two-stage": "full",
    "variant-2": "variant 2",
    "variant-1": "variant 1",
    "pconv": "PConv",
    "rfr": "RFR",
    "structure": "first stage alone",
    "biharmonic": "biharmonic",
    "telea": "Telea",
    "navier-stokes": "Navier-Stokes",
    "mean": "mean colour",
}
METHODS |= {name: label for name, label in NAMES.items() if name not in METHODS}
FIGURES = {"psnr": ("PSNR", 2), "lpips": ("LPIPS", 4), "frechet": ("Frechet", 3), "identity": ("Identity", 3)}
LOWER_IS_BETTER = {"lpips", "frechet"}
PAIRS = [("two-stage", b) for b in ("pconv", "rfr", "variant-2")] + [("variant-2", "variant-1")]
PAIRS += [("two-stage", other) for other in ("biharmonic", "telea", "structure")]
PAIRS += [
    ("two-stage", other) for other in METHODS if other not in {name for pair in PAIRS for name in (*pair, "mean")}
]

Sweep = dict[str, dict[str, Any]]  # a test set's name: what its metrics.json holds


def main() -> None:
    sweep: Sweep = json.loads((Path(sys.argv[1]) / "sweep.json").read_text())
    tables = [figures(sweep, metric) for metric in FIGURES]
    tables.insert(1, differences(sweep))
    print("\n\n".join("\n".join(table) for table in tables))


def figures(sweep: Sweep, metric: str) -> Iterator[str]:
    """One metric of every method on every set; the best of a set is bold."""
    title, digits = FIGURES[metric]
    yield from head(sweep, title)
    best = min if metric in LOWER_IS_BETTER else max
    judged = [{m: round(v[metric]["mean"], digits) for m, v in each["methods"].items()} for each in sweep.values()]
    for method, label in METHODS.items():
        if any(method in values for values in judged):
            cells = [_cell(values, method, digits, best) for values in judged]
            yield f"| {label} | {' | '.join(cells)} |"


def _cell(values: dict[str, float], method: str, digits: int, best: Callable[..., float]) -> str:
    """One method's figure of a set; empty where it was not judged."""
    if method not in values:
        return ""
    cell = f"{values[method]:.{digits}f}"
    return f"**{cell}**" if values[method] == best(values.values()) else cell


def differences(sweep: Sweep) -> Iterator[str]:
    """Paired differences of PSNR with their 95% intervals."""
    yield from head(sweep, "Difference of PSNR, dB")
    for a, b in PAIRS:
        there = [{a, b} <= each["methods"].keys() for each in sweep.values()]
        if any(there):
            found = zip(sweep.values(), there, strict=True)
            cells = ["{:.2f} [{:.2f},{:.2f}]".format(*paired(each, a, b)) if judged else "" for each, judged in found]
            yield f"| {METHODS[a]} over {METHODS[b]} | {' | '.join(cells)} |"


def paired(metrics: dict[str, Any], a: str, b: str) -> tuple[float, float, float]:
    """How much ``a`` is above ``b``: mean, low and high, whichever of the two comes first in the file."""
    for pair in metrics["paired"]:
        found = pair["a_minus_b"]["psnr"]
        low, high = found["ci95"]
        if (pair["a"], pair["b"]) == (a, b):
            return found["mean"], low, high
        if (pair["a"], pair["b"]) == (b, a):
            return -found["mean"], -high, -low
    raise SystemExit(f"error: {a} and {b} were not judged together")


def head(sweep: Sweep, title: str) -> list[str]:
    return [f"| {' | '.join([title, *map(name_of, sweep)])} |", "|---" * (1 + len(sweep)) + "|"]


def name_of(test_set: str) -> str:
    """``squares-24`` -> ``24 px``; ``freeform-10-30`` -> ``10-30 %``."""
    kind, _, size = test_set.partition("-")
    return f"{size} px" if kind == "squares" else f"{size} %"


if __name__ == "__main__":
    main()
