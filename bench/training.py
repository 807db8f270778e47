"""Rows (c) and (f): a step of each stage over a bare loop, and Ray Train's pictures/s over bare DDP."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from bench.processes import cpu_seconds
from bench.restoration import faces
from bench.timing import done, interleaved
from faceinpaint.config import Config
from faceinpaint.device import lay_out
from faceinpaint.load_config import load_preset
from faceinpaint.stages import Stage
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.trainee import Batch, Trainee

STAGES: tuple[Stage, ...] = ("generator", "structure", "texture", "pconv", "rfr")
STAGES_256: tuple[Stage, ...] = ("structure", "texture", "pconv", "rfr")
BATCH_256 = 4  # pictures: what two cores step in seconds
SHORT, LONG = 10, 110  # steps: their difference leaves start-up and export out
WARM, WATCHED = 25, 30  # seconds of the long run before and while its processes are watched
PICTURES = 512
WORKER = "ray::RayTrainWorker"
ROOT = Path(__file__).parents[1]


def step_rows(
    preset: str, rounds: int, device: str = "cpu", stages: tuple[Stage, ...] = STAGES, most: int | None = None
) -> list[dict[str, Any]]:
    """Seconds of our loop's step over a :class:`BareLoop`'s; ours adds moving averages, clipping and measuring.

    most: pictures of a batch, at most.
    """
    config = load_preset(preset, ["seeded_generator=true"])
    found = []
    for stage in stages:
        settings = config.train[stage]
        count = min(settings.batch, most or settings.batch)
        batch = seeded_batch(config.side_of(stage), count)
        trainee = build_trainee(stage, config, [])
        run = Run(trainee, settings, precision=config.precision, channels_last=True, device=device)
        bare = BareLoop(build_trainee(stage, config, []), device)
        loops: dict[str, Callable[[], Any]] = {"ours": partial(run.step, batch), "bare": partial(bare.step, batch)}
        seconds = interleaved({name: done(loop, device) for name, loop in loops.items()}, rounds)
        found.append({"stage": stage, "batch": count, **seconds, "ours_over_bare": seconds["ours"] / seconds["bare"]})
        print(found[-1], flush=True)
    return found


class BareLoop:
    """What a script would do: each phase's forward, backward and Adam when its turn comes, in bf16, channels last."""

    def __init__(self, trainee: Trainee, device: str = "cpu"):
        self.trainee, self.steps, self.device = trainee, 0, torch.device(device)
        for module in (*trainee.modules.values(), *trainee.frozen):
            module.to(self.device)
            lay_out(module, torch.channels_last)

    def step(self, batch: Batch) -> None:
        batch = batch.to(self.device, torch.channels_last)
        for phase in self.trainee.phases:
            if self.steps % phase.every == 0:
                phase.optimizer.zero_grad(set_to_none=True)
                with torch.autocast(self.device.type, torch.bfloat16):
                    total = phase.total(phase.losses(batch))
                total.backward()
                phase.optimizer.step()
        self.steps += 1


def seeded_batch(size: int, count: int) -> Batch:
    """``count`` pictures of noise of ``size`` pixels, with a hole of a quarter of the side."""
    torch.manual_seed(0)
    masks = torch.zeros(count, 1, size, size)
    masks[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    images = torch.rand(count, 3, size, size) * 2 - 1
    return Batch([str(i) for i in range(count)], images, masks, torch.rand(count))


def ray_over_ddp(preset: str) -> dict[str, float]:
    """Pictures/s of ``jobs/train.py`` (one worker, real data) and of plain DDP on pictures that lie ready.

    ``ray_share``: what all processes of the job but the worker take of the machine's CPUs. ``in_process``: the job's
    pictures/s with ``--workers 0``; the seconds are of whole jobs of SHORT steps.
    """
    stage, config = "pconv", load_preset(preset)
    batch = config.train["pconv"].batch
    bare = [ddp_seconds(config, LONG // 2)]
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/faces.parquet"
        pictures = faces(config.image_size, PICTURES)
        table = pa.table({"key": [str(i) for i in range(PICTURES)], "image": pictures})
        pq.write_table(table, data, row_group_size=128)
        short, _ = job_run(data, preset, stage, SHORT, f"{folder}/short")
        long, share = job_run(data, preset, stage, LONG, f"{folder}/long")
        here = [job_run(data, preset, stage, s, f"{folder}/here-{s}", workers=0)[0] for s in (SHORT, LONG)]
    bare.append(ddp_seconds(config, LONG // 2))
    ours = batch * (LONG - SHORT) / (long - short)
    alone = batch * 2 * (LONG // 2) / sum(bare)
    here_rate = batch * (LONG - SHORT) / (here[1] - here[0])
    return {
        "ray_train": ours,
        "bare_ddp": alone,
        "ratio": ours / alone,
        "ray_share": share,
        "in_process": here_rate,
        "in_process_over_ray_train": here_rate / ours,
        "in_process_seconds_of_ten_steps": here[0],
        "ray_train_seconds_of_ten_steps": short,
    }


def job_run(data: str, preset: str, stage: str, steps: int, output: str, workers: int = 1) -> tuple[float, float]:
    """Seconds of a training job, and the share of the CPUs beside its worker (0 for a short one, or without Ray)."""
    command = [sys.executable, str(ROOT / "jobs/train.py"), "--preset", preset, "--stage", stage]
    command += ["--data", data, "--val", data, "--output", output, "--steps", str(steps), "--cpus-per-worker", "2"]
    command += ["--workers", str(workers)]
    began, beside = time.perf_counter(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if steps == LONG and workers:
        time.sleep(WARM)
        before = cpu_seconds(process.pid)
        time.sleep(WATCHED)
        after = cpu_seconds(process.pid)
        beside = sum(after.values()) - sum(before.values()) - (after[WORKER] - before[WORKER])
    if process.wait():
        raise RuntimeError(f"jobs/train.py ended with {process.returncode}")
    return time.perf_counter() - began, beside / WATCHED / (os.cpu_count() or 1)


def ddp_seconds(config: Config, steps: int) -> float:
    """The same network, losses and optimiser under torch's DDP on Gloo, one process."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29555")
    dist.init_process_group("gloo", rank=0, world_size=1)
    trainee = build_trainee("pconv", config, [])
    wrapped = DistributedDataParallel(Painted(trainee))
    batch, phase = seeded_batch(config.image_size, config.train["pconv"].batch), trainee.phases[0]
    lay_out(wrapped, torch.channels_last)

    def step() -> None:
        phase.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            total = wrapped(batch)
        total.backward()
        phase.optimizer.step()

    step()
    took = timed(step, steps)
    dist.destroy_process_group()
    return took


class Painted(torch.nn.Module):
    """A trainee's loss as a module's forward, which is what DDP wraps."""

    def __init__(self, trainee: Trainee):
        super().__init__()
        self.trained = torch.nn.ModuleDict(trainee.modules)
        self.phase = trainee.phases[0]

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.phase.total(self.phase.losses(batch))


def timed(work: Callable[[], Any], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        work()
    return time.perf_counter() - began
