"""The results of ``python -m bench.run`` as Markdown: a table for each part that was measured."""

from __future__ import annotations

from typing import Any

from bench import photographs
from bench.aims import AIMS
from bench.markdown import table

STEPS = {"training_steps": "`celeba64`", "training_steps_256": "`faces256`"}


def report(results: dict[str, Any]) -> str:
    parts = [aims_table(results)]
    parts += [_networks(results[name]) for name in ("networks_256", "networks_64") if name in results]
    parts += [steps_table(name, results[name]) for name in STEPS if name in results]
    if "attention_mb_256" in results:
        parts.append(f"Attention at 256 px takes {results['attention_mb_256']:.0f} MB per picture beyond its maps.")
    parts.append(_jobs(results))
    if "start_up_seconds" in results:
        seconds = results["start_up_seconds"].items()
        head = ("job", "start-up to end of its least work, s")
        parts.append(table(head, ((name, f"{value:.1f}") for name, value in seconds)))
    if "photographs_12mp" in results:
        parts.append(table(photographs.HEAD, photographs.cells(results["photographs_12mp"])))
    if "step_costs_ms" in results:
        costs = results["step_costs_ms"].items()
        parts.append(table(("step", "ms per picture"), ((name, f"{ms:.3f}") for name, ms in costs)))
    return "\n\n".join(part for part in [*parts, stamp(results)] if part) + "\n"


def aims_table(results: dict[str, Any]) -> str:
    """What is wanted and what was measured; what was not, says so."""
    measured = results.get("aims", {})
    rows = [
        (what, wanted, f"{measured[name]:.2f}" if name in measured else "not measured", f"`{name}`")
        for name, (what, wanted) in AIMS.items()
    ]
    return table(("aim", "wanted", "measured", "in results.json"), rows)


def _networks(rows: list[dict[str, Any]]) -> str:
    head = ("preset", "method", "precision", "batch", "s per picture", "GFLOP", "share of matmul", "peak MB")
    cells = [
        (
            *(r["preset"], r["method"], r["precision"], str(r["batch"]), f"{r['seconds_a_picture']:.4f}"),
            *(f"{r['gflop_a_picture']:.1f}", f"{r['share_of_matmul_peak']:.2f}"),
            f"{r['peak_mb']:.0f}" if r.get("peak_mb") else "",
        )
        for r in rows
    ]
    return table(head, cells)


def steps_table(name: str, rows: list[dict[str, Any]]) -> str:
    """Pictures/s of each stage, and of a bare loop."""
    head = (f"stage of {STEPS[name]}", "batch", "pictures/s", "a bare loop's", "time over it")
    cells = [
        (r["stage"], str(r["batch"]), *(f"{r['batch'] / r[loop]:.1f}" for loop in ("ours", "bare")), _ratio(r))
        for r in rows
    ]
    return table(head, cells)


def _ratio(row: dict[str, Any]) -> str:
    return f"{row['ours_over_bare']:.2f}"


def _jobs(results: dict[str, Any]) -> str:
    found = [(f"restoration {p}", row) for p, row in results.get("pipeline", {}).items()]
    names = {"an archive of 12 megapixels": "archive_12mp", "evaluation": "evaluation", "Ray Train": "ray_train"}
    found += [(name, results[key]) for name, key in names.items() if key in results]
    rows = [(name, *(f"{value:.2f}" for value in list(row.values())[:3])) for name, row in found]
    return table(("job", "pictures/s", "alone, or allowed", "ratio"), rows) if rows else ""


def stamp(results: dict[str, Any]) -> str:
    """When, where and of what the results are."""
    m = results["machine"]
    took = sum(results.get("seconds_of_parts", {}).values())
    where = f"{m['cpu']}, {m['cores']} cores" + (f", {m['gpu']}" if m.get("gpu") else "")
    spent = f" The parts took {took / 60:.0f} minutes." if took else ""
    return f"{m['date']}, commit {m['commit']}, {where}, torch {m['torch']}, Ray {m['ray']}.{spent}"
