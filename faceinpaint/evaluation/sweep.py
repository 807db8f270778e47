"""Training and evaluating a list of configurations: one YAML file, one folder a configuration, one table over all."""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import dataclass
from typing import Any

import yaml

from faceinpaint.cli import in_flags
from faceinpaint.errors import InputError, JobError
from faceinpaint.evaluation.driver import evaluate
from faceinpaint.evaluation.figures import Metrics
from faceinpaint.evaluation.plan import make_plan
from faceinpaint.evaluation.report import write_report
from faceinpaint.evaluation.rows import write_rows
from faceinpaint.evaluation.tables import LABELS, provenance, shown, tabulated
from faceinpaint.load_config import load_preset
from faceinpaint.stages import STAGES
from faceinpaint.storage import first_line, join, read_bytes, write_bytes
from faceinpaint.training.driver import train
from faceinpaint.training.plan import Job, Resources, make_job
from faceinpaint.training.run import DivergedError

TRAINING = {"preset", "stage", "data", "val", "init", "set", "steps", "workers", "cpus_per_worker", "gpus_per_worker"}


@dataclass(frozen=True)
class SweepEntry:
    """One configuration of a sweep: what :func:`make_plan` takes, and what is trained before, if anything."""

    arguments: dict[str, Any]
    training: tuple[Job, Resources] | None


def read_sweep(uri: str, common: dict[str, Any]) -> dict[str, SweepEntry]:
    """The entries of a sweep by name, checked before any work.

    The file maps names to what differs from the command's own arguments, such as
    ``{small: {weights: runs/small}, vgg: {lpips_backbone: vgg}}``; ``train: {preset: ..., stage: ..., data: ...}``
    trains the entry's weights first, as faceinpaint train with these flags would. Each goes to ``OUTPUT/NAME``. Raises
    :class:`InputError` for an unreadable file, an unknown argument, or an entry that cannot be carried out.
    """
    try:
        tree = yaml.safe_load(read_bytes(uri))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"`sweep` {uri}: {first_line(error)}") from None
    if not isinstance(tree, dict) or not all(isinstance(changes, dict) for changes in tree.values()):
        raise InputError(f"`sweep` {uri}: write NAME: {{argument: value}}, one line per configuration")
    return {str(name): _entry(f"`sweep` {uri}: {name}", str(name), changes, common) for name, changes in tree.items()}


def run_sweep(entries: dict[str, SweepEntry], output: str) -> tuple[list[str], dict[str, str]]:
    """Train and evaluate each entry across the workers; writes ``OUTPUT/sweep.json`` and ``OUTPUT/sweep.md``.

    Returns the table's lines, and why entries failed, by name: such an entry is told at once, and the others go on.
    """
    results: dict[str, Metrics] = {}
    failed: dict[str, str] = {}
    for name, entry in entries.items():
        try:
            results[name] = _carried_out(entry)
        except _failures() as error:
            failed[name] = _told(error)
            print(f"error: {in_flags(f'`sweep` {name}: {failed[name]}')}", file=sys.stderr, flush=True)
    lines = [*_table(results), *(f"{name}: failed: {why}" for name, why in failed.items())]
    write_bytes(join(output, "sweep.json"), json.dumps(results, indent=1).encode())
    write_bytes(join(output, "sweep.md"), "\n".join(lines).encode())
    return lines, failed


def _carried_out(entry: SweepEntry) -> Metrics:
    if entry.training:
        train(*entry.training)
    plan = make_plan(**entry.arguments)
    metrics, batches = evaluate(plan)
    write_report(plan, metrics, write_rows(plan, batches))
    return metrics


def _failures() -> tuple[type[Exception], ...]:
    """What may end one entry and leave the others to go on: a run that diverged, storage, a worker that died."""
    ours = (InputError, RuntimeError, OSError)
    if "ray" not in sys.modules:
        return ours
    from ray.exceptions import RayError
    from ray.train import TrainingFailedError

    return (*ours, RayError, TrainingFailedError)


def _told(error: Exception) -> str:
    """Why an entry failed, in one line."""
    kind = "" if isinstance(error, InputError | JobError) else f"{type(error).__name__}: "
    return f"diverged: {error}" if isinstance(error, DivergedError) else kind + first_line(error)


def _table(results: dict[str, Metrics]) -> list[str]:
    """A row for each method of each entry, and below what each entry's figures depend on."""
    rows = [
        [name, method, *(shown(figures.get(k), k) for k in LABELS)]
        for name, metrics in results.items()
        for method, figures in metrics["methods"].items()
    ]
    lines = tabulated(rows, ["configuration", "method", *LABELS.values()], "github").splitlines() if rows else []
    return [*lines, "", *(f"{name}: {provenance(metrics)}" for name, metrics in results.items())]


def _entry(where: str, name: str, changes: dict[str, Any], common: dict[str, Any]) -> SweepEntry:
    settings = changes.get("train")
    changes = {argument: value for argument, value in changes.items() if argument != "train"}
    _refuse_unknown(where, changes, set(inspect.signature(make_plan).parameters) - {"output"})
    arguments = {**common, **changes, "output": join(common["output"], name)}
    if settings is None:
        make_plan(**arguments)  # raises for what cannot be carried out
        return SweepEntry(arguments, None)
    arguments["weights"] = join(arguments["output"], "weights")
    return SweepEntry(arguments, _training(f"{where}: train", settings, arguments))


def _training(where: str, settings: Any, arguments: dict[str, Any]) -> tuple[Job, Resources]:
    if not isinstance(settings, dict) or not {"preset", "stage", "data"} <= set(settings):
        raise InputError(f"{where}: name at least preset, stage and data")
    _refuse_unknown(where, settings, TRAINING)
    stage = settings["stage"]
    if stage not in STAGES:
        raise InputError(f"{where}: unknown stage {stage!r}: choose one of {', '.join(STAGES)}")
    overrides = [f"train.{stage}.steps={settings['steps']}"] if "steps" in settings else []
    resources = {name: settings[name] for name in ("workers", "cpus_per_worker", "gpus_per_worker") if name in settings}
    job = make_job(
        load_preset(settings["preset"], settings.get("set", []) + overrides),
        stage,
        data=settings["data"],
        validation=settings.get("val", arguments["data"]),
        output=arguments["weights"],
        init=settings.get("init"),
        crop=arguments.get("crop"),
        cpus_per_worker=settings.get("cpus_per_worker", 1),
    )
    return job, Resources(**resources)


def _refuse_unknown(where: str, given: dict[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(given) - known):
        raise InputError(f"{where} sets {unknown[0]!r}: choose from {', '.join(sorted(known))}")
