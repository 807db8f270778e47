"""The tables of docs/study.md from a finished sweep: python -m study.tables runs/eval."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SETS = {
    "squares-16": "16 px",
    "squares-24": "24 px",
    "squares-32": "32 px",
    "freeform-10-30": "10-30 %",
    "freeform-30-50": "30-50 %",
}
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
FIGURES = {"psnr": ("PSNR", 2), "lpips": ("LPIPS", 4), "frechet": ("Frechet", 3), "identity": ("Identity", 3)}
LOWER_IS_BETTER = {"lpips", "frechet"}
PAIRS = [("two-stage", b) for b in ("pconv", "rfr", "variant-2")] + [("variant-2", "variant-1")]
PAIRS += [("two-stage", "biharmonic")]

Sweep = dict[str, dict[str, Any]]  # a test set's name: what its metrics.json holds


def main() -> None:
    sweep: Sweep = json.loads((Path(sys.argv[1]) / "sweep.json").read_text())
    tables = [figures(sweep, metric) for metric in FIGURES]
    tables.insert(1, differences(sweep))
    print("\n\n".join("\n".join(table) for table in tables))


def figures(sweep: Sweep, metric: str) -> Iterator[str]:
    """One metric of every method on every set; the best of a set is bold."""
    title, digits = FIGURES[metric]
    yield from head(title)
    best = min if metric in LOWER_IS_BETTER else max
    values = {m: [round(sweep[s]["methods"][m][metric]["mean"], digits) for s in SETS] for m in METHODS}
    bests = [best(column) for column in zip(*values.values(), strict=True)]
    for method, row in values.items():
        cells = (f"{value:.{digits}f}" for value in row)
        marked = (f"**{cell}**" if value == top else cell for cell, value, top in zip(cells, row, bests, strict=True))
        yield f"| {METHODS[method]} | {' | '.join(marked)} |"


def differences(sweep: Sweep) -> Iterator[str]:
    """Paired differences of PSNR with their 95% intervals."""
    yield from head("Difference of PSNR, dB")
    for a, b in PAIRS:
        cells = []
        for name in SETS:
            mean, low, high = paired(sweep[name], a, b)
            cells.append(f"{mean:.2f} [{low:.2f},{high:.2f}]")
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


def head(title: str) -> list[str]:
    return [f"| {' | '.join([title, *SETS.values()])} |", "|---" * (1 + len(SETS)) + "|"]


if __name__ == "__main__":
    main()
