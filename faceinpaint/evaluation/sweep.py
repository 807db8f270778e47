"""Evaluating a list of configurations: one YAML file, one folder a configuration, one table over all."""

from __future__ import annotations

import inspect
import json
from typing import Any

import yaml

from faceinpaint.data.storage import first_line, read_bytes, write_bytes
from faceinpaint.errors import InputError
from faceinpaint.evaluation.evaluate import evaluate
from faceinpaint.evaluation.plan import Plan, make_plan
from faceinpaint.evaluation.report import write_report
from faceinpaint.evaluation.rows import write_rows
from faceinpaint.evaluation.tables import LABELS, provenance, shown


def read_sweep(uri: str, common: dict[str, Any]) -> dict[str, Plan]:
    """The plans of a sweep by name, all checked before any work.

    The file maps names to what differs from the command's own arguments, such as
    ``{small: {weights: runs/small}, vgg: {lpips_backbone: vgg}}``. Each goes to ``OUTPUT/NAME``. Raises
    :class:`InputError` for an unreadable file, an unknown argument, or a plan that cannot be carried out.
    """
    try:
        tree = yaml.safe_load(read_bytes(uri))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"--sweep {uri}: {first_line(error)}") from None
    if not isinstance(tree, dict) or not all(isinstance(changes, dict) for changes in tree.values()):
        raise InputError(f"--sweep {uri}: write NAME: {{argument: value}}, one line a configuration")
    return {str(name): _plan(uri, str(name), changes, common) for name, changes in tree.items()}


def run_sweep(plans: dict[str, Plan], output: str) -> list[str]:
    """Evaluate each plan across the workers; writes ``OUTPUT/sweep.json`` and returns the table's lines."""
    results = {}
    lines = [f"| configuration | method | {' | '.join(LABELS.values())} |", "|---" * (len(LABELS) + 2) + "|"]
    for name, plan in plans.items():
        metrics, batches = evaluate(plan)
        write_report(plan, metrics, write_rows(plan, batches))
        results[name] = metrics
        for method, figures in metrics["methods"].items():
            lines.append(f"| {name} | {method} | {' | '.join(shown(figures.get(k), k) for k in LABELS)} |")
    lines += [f"{name}: {provenance(metrics)}" for name, metrics in results.items()]
    write_bytes(f"{output.rstrip('/')}/sweep.json", json.dumps(results, indent=1).encode())
    write_bytes(f"{output.rstrip('/')}/sweep.md", "\n".join(lines).encode())
    return lines


def _plan(uri: str, name: str, changes: dict[str, Any], common: dict[str, Any]) -> Plan:
    known = set(inspect.signature(make_plan).parameters) - {"output"}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise InputError(f"--sweep {uri}: {name} sets {unknown[0]!r}: choose from {', '.join(sorted(known))}")
    return make_plan(**{**common, **changes, "output": f"{common['output'].rstrip('/')}/{name}"})
