"""The one loop every trainee runs in: on each worker of Ray Train, or in the job's own process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import distributed as dist

from faceinpaint.data.stream import StreamPlan
from faceinpaint.device import settle
from faceinpaint.errors import InputError
from faceinpaint.models.weights import save_weights
from faceinpaint.stages import STAGES
from faceinpaint.storage import exists, join, write_bytes
from faceinpaint.training.monitor import Monitor
from faceinpaint.training.plan import Job
from faceinpaint.training.run import DivergedError, Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.trainee import Measured
from faceinpaint.training.trunk import start_from
from faceinpaint.training.validation import to_batch, validate_detection, validate_generation, validate_restoration


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A worker's place in a run.

    device: of its networks. stream: a plan's batches of steps [first, last). report: called with figures whenever a
    checkpoint is due, by all workers of a run together.
    """

    device: torch.device
    stream: Callable[[StreamPlan, int, int], Iterator[dict[str, Any]]]
    report: Callable[[Measured], None]
    rank: int = 0
    workers: int = 1


def train_worker(job: Job, seat: Seat) -> None:
    """Train from the newest checkpoint, or from the start, to the last step; rank 0 saves, shows and exports.

    A diverged run ends here with a note, ``diverged.json``: starting it again would diverge again.
    """
    if seat.device.type == "cpu":
        settle(job.cpus_per_worker)
    rank = seat.rank
    run = _start(job, rank, seat.device)
    monitor = (
        Monitor(job.folder, job.stage, job.settings.batch, run.steps_done, job.settings.steps) if rank == 0 else None
    )
    try:
        plan = replace(job.plan, rank=rank, workers=seat.workers, first_sample=run.pictures_before)
        if rank == 0 and run.steps_done >= job.settings.steps:
            _export(job, run)  # the last step was taken, but its weights are gone
        for rows in seat.stream(plan, run.steps_done, job.settings.steps):
            measured = run.step(to_batch(rows))
            if monitor:
                monitor.step(run.steps_done, measured)
            _at_intervals(job, run, monitor, measured, seat)
    except DivergedError as error:
        if rank == 0:
            write_bytes(join(job.folder, "diverged.json"), json.dumps({"error": str(error)}).encode())
    finally:
        if monitor:
            monitor.close()


def _start(job: Job, rank: int, device: torch.device) -> Run:
    """The run, at the newest good checkpoint; rank 0 chooses which, since a damaged one must be noticed by all."""
    if not exists(join(job.folder, "run.json")):
        raise InputError(f"{job.folder} is not the driver's: on several nodes `output` must be storage that all share")
    run = Run(
        build_trainee(job.stage, job.config, list(job.sources), job.start),
        job.settings,
        precision=job.config.precision,
        channels_last=job.config.channels_last,
        device=device,
        seed=job.config.seed,
        rank=rank,
    )
    state = job.checkpoints.newest()
    step = state["step"] if state else 0
    chosen = [step]
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.broadcast_object_list(chosen)
    if step != chosen[0]:
        raise RuntimeError(f"workers read different checkpoints: step {step} here, {chosen[0]} on rank 0")
    if state:
        run.load_state_dict(state)
    elif job.trunk:
        fresh = start_from(run, job.trunk, job.stage)
        if rank == 0:
            new = f"; new here: {', '.join(fresh)}" if fresh else ""
            print(f"[{job.stage}] goes on from {job.trunk.folder}, {run.pictures_before} pictures{new}", flush=True)
    return run


def _at_intervals(job: Job, run: Run, monitor: Monitor | None, measured: Measured, seat: Seat) -> None:
    """Validate, save and report when their steps have come; at the last step also export the averaged weights."""
    step, last = run.steps_done, run.steps_done == job.settings.steps
    score = None
    if last or step % job.evaluate_every == 0:
        score = _validate(job, run, monitor, seat.rank)
    if last and monitor:
        _export(job, run)  # before the checkpoint that says the run is finished: it may be killed between the two
    if last or step % job.checkpoint_every == 0:
        if monitor:
            job.checkpoints.save(step, run.state_dict(), score)
            monitor.publish()
        seat.report({"step": step, **measured})


def _export(job: Job, run: Run) -> None:
    """Write the averaged weights into the weights folder."""
    for name, module in run.averages.items():
        save_weights(job.output, name, module)


def _validate(job: Job, run: Run, monitor: Monitor | None, rank: int) -> float:
    """Measure the averaged weights and show samples. Returns the checkpoint's score: the higher, the better."""
    plan = job.validation
    match STAGES[job.stage].kind:
        case "generator":
            found = validate_generation(run, plan, rank, job.config.alignment)
        case "detector":
            found = validate_detection(run, plan, rank)
        case _:
            found = validate_restoration(run, plan, rank)
    if monitor and found.sheet is not None:
        monitor.evaluated(run.steps_done, found.scores, found.sheet)
    return found.best_by
