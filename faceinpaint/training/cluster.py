"""Training on Ray Train: the one loop on each of its workers."""

from __future__ import annotations

import ray.train
import ray.train.torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from faceinpaint.data.ray_stream import stream
from faceinpaint.ray_session import connect, quiet_ray_data
from faceinpaint.training.plan import Job, Resources
from faceinpaint.training.worker import Seat, train_worker


def train_on_ray(job: Job, resources: Resources) -> None:
    """Train to the last step on the cluster this process belongs to, else on a Ray of its own.

    Raises Ray's ``TrainingFailedError`` when workers failed more often than ``resources.max_failures``.
    """
    connect()
    trainer = TorchTrainer(
        _work,  # type: ignore[arg-type]  # its argument may be any picklable value
        train_loop_config=job,  # type: ignore[arg-type]  # any picklable value does
        torch_config=TorchConfig(backend=resources.backend),
        scaling_config=_scaling(resources),
        run_config=RunConfig(
            name="ray", storage_path=job.folder, failure_config=FailureConfig(max_failures=resources.max_failures)
        ),
    )
    trainer.fit()


def _work(job: Job) -> None:
    """What each worker does."""
    quiet_ray_data()
    context = ray.train.get_context()
    seat = Seat(
        device=ray.train.torch.get_device(),
        stream=stream,
        report=ray.train.report,
        rank=context.get_world_rank(),
        workers=context.get_world_size(),
    )
    train_worker(job, seat)


def _scaling(resources: Resources) -> ScalingConfig:
    per_worker: dict[str, float] = {"CPU": resources.cpus_per_worker}
    if resources.gpus_per_worker:
        per_worker["GPU"] = resources.gpus_per_worker
    return ScalingConfig(
        num_workers=resources.workers,  # type: ignore[arg-type]  # a range makes the run elastic; its stub is behind
        use_gpu=resources.gpus_per_worker > 0,
        resources_per_worker=per_worker,
    )
