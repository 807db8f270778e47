"""Starts a training job, on Ray Train or in this process, or goes on with one, and says how it ended."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from typing import Any

import torch

from faceinpaint.claim import check_same
from faceinpaint.config import Config
from faceinpaint.errors import InputError
from faceinpaint.models.weights import are_whole, copy_weights, has_weights, save_config, save_weights
from faceinpaint.stages import STAGES, Stage
from faceinpaint.storage import delete, exists, join, read_bytes, write_bytes
from faceinpaint.training.local import train_here
from faceinpaint.training.plan import Job, Resources
from faceinpaint.training.run import DivergedError
from faceinpaint.training.stages.sources import Sources
from faceinpaint.version import code_version


def train(job: Job, resources: Resources) -> dict[str, Any]:
    """Run a job to its last step, going on from its newest checkpoint. Returns that checkpoint's note.

    With 0 workers it trains in this process, and Ray is not even imported. Raises :class:`InputError` when the output
    holds a run of other settings or workers would have no samples, :class:`DivergedError` when the run diverged, and
    Ray's ``TrainingFailedError`` when workers failed more often than ``max_failures``.
    """
    if is_finished(job):
        return job.checkpoints.notes()[-1]
    most = max(resources.workers) if isinstance(resources.workers, tuple) else resources.workers
    if max(most, 1) * job.settings.accumulate > job.settings.batch:
        raise InputError(
            f"train.{job.stage}.batch={job.settings.batch} cannot be shared by {max(most, 1)} workers in "
            f"{job.settings.accumulate} parts each: set a larger batch, or fewer workers"
        )
    _bring_earlier_stage(job)
    _note_run(job, resources)
    save_config(job.output, job.config)
    diverged = join(job.folder, "diverged.json")
    if exists(diverged):
        delete(diverged)
    if resources.workers == 0:
        train_here(job, resources)
    else:
        from faceinpaint.training.cluster import train_on_ray  # Ray takes seconds

        train_on_ray(job, resources)
    if exists(diverged):
        raise DivergedError(json.loads(read_bytes(diverged))["error"])
    return job.checkpoints.notes()[-1]


def is_finished(job: Job) -> bool:
    """Whether the run has reached its last step and its weights are exported.

    Raises :class:`InputError` when it was a run of other arguments that did.
    """
    notes = job.checkpoints.notes()
    if not notes or notes[-1]["step"] < job.settings.steps or not are_whole(job.output, job.stage):
        return False
    _check_same_run(job)
    return True


def _bring_earlier_stage(job: Job) -> None:
    """Put the first stage that a second one is trained on beside it: they restore together."""
    facts = STAGES[job.stage]
    earlier = facts.builds_on
    if earlier is None or facts.holds_earlier:
        return
    if job.settings.tune_structure and job.checkpoints.notes():
        return  # what lies there may be the run's own, tuned
    source = next((source for source in job.sources if has_weights(source, earlier)), None)
    if source is None and job.config.pretrained.structure:
        save_weights(job.output, earlier, Sources(folders=(), begin=earlier).structure(job.config))
    elif source is not None and source != job.output:
        copy_weights(source, earlier, job.output)


def _check_same_run(job: Job) -> dict[str, Any]:
    """What decides a run's result. Raises :class:`InputError` when the folder holds a run of which it is another."""
    path = join(job.folder, "run.json")
    fixed = {
        "stage": job.stage,
        "config": _decisive(job.config, job.stage),
        "data_sha256": job.plan.data.sha256,
        "crop": job.plan.crop and list(job.plan.crop),
    }
    if exists(path) and job.checkpoints.notes():
        before = json.loads(read_bytes(path))["fixed"]
        before["config"] = _without_other_methods(before["config"], job.stage)
        check_same(job.folder, before, fixed)
    return fixed


def _note_run(job: Job, resources: Resources) -> None:
    """Write ``run.json``; refuse when the folder holds a run that this one cannot go on with."""
    path, fixed = join(job.folder, "run.json"), _check_same_run(job)
    trunk = job.trunk and {"uri": job.trunk.uri, "step": job.trunk.step, "sha256": job.trunk.sha256}
    if exists(path) and job.checkpoints.notes():
        trunk = json.loads(read_bytes(path)).get("trunk")  # where it began, however far the trunk has come since
    environment = {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "ray": _version("ray"),
        "code": code_version(),
    }
    note = {
        "fixed": fixed,
        "config": job.config.model_dump(mode="json"),
        "data": job.plan.data.uri,
        "validation": job.validation.data.uri,
        "trunk": trunk,
        "workers": resources.workers,
        "environment": environment,
    }
    write_bytes(path, json.dumps(note, indent=1).encode())


def _decisive(config: Config, stage: Stage) -> dict[str, Any]:
    """The part of a configuration that must not change while a stage runs: all but its length and other stages."""
    tree = config.model_dump(mode="json")
    settings = tree.pop("train")[stage]
    settings.pop("steps")
    return _without_other_methods({**tree, "train": settings}, stage)


def _without_other_methods(tree: dict[str, Any], stage: Stage) -> dict[str, Any]:
    """A configuration without the parts of the compared methods that ``stage`` does not train: they may come and go."""
    others = {facts.shaped_by[0] for facts in STAGES.values() if facts.kind == "compared"}
    return {name: part for name, part in tree.items() if name not in others - {*STAGES[stage].shaped_by}}


def _version(package: str) -> str | None:
    """An installed package's version, without importing it; None when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
