"""What a training job is to do, checked whole before any work."""

from __future__ import annotations

from dataclasses import dataclass, replace

from faceinpaint.config import Config, PretrainedConfig, StageTraining
from faceinpaint.data.damage.paint import Damage
from faceinpaint.data.stream import StreamPlan, open_training_data
from faceinpaint.images import Crop
from faceinpaint.storage import absolute, check_writable, join
from faceinpaint.training.checkpoint import CheckpointStore
from faceinpaint.training.stages.build import check_sources

VALIDATION_BATCH = 16


@dataclass(frozen=True)
class Job:
    """A training job: one stage of one configuration on some data. Sent to every worker as it is."""

    config: Config
    stage: str
    plan: StreamPlan  # of rank 0 of 1; each worker takes its part
    validation: StreamPlan
    output: str  # weights folder; everything else of the run lies in runs/STAGE under it
    sources: tuple[str, ...]  # where earlier stages' weights may lie
    checkpoint_every: int
    evaluate_every: int
    keep: int = 2
    cpus_per_worker: int = 1

    @property
    def settings(self) -> StageTraining:
        return self.config.train[self.stage]  # type: ignore[index]  # stages are checked when the job is made

    @property
    def folder(self) -> str:
        return join(self.output, "runs", self.stage)

    @property
    def checkpoints(self) -> CheckpointStore:
        return CheckpointStore(join(self.folder, "checkpoints"), self.keep)


@dataclass(frozen=True)
class Resources:
    """What a run takes of the cluster. workers: a number, or (least, most) for an elastic run; 0 trains in-process."""

    workers: int | tuple[int, int] = 1
    cpus_per_worker: int = 1
    gpus_per_worker: float = 0
    max_failures: int = 3

    @property
    def backend(self) -> str:
        """NCCL refuses two workers on one GPU; Gloo averages their gradients too."""
        return "nccl" if self.gpus_per_worker >= 1 else "gloo"


def make_job(
    config: Config,
    stage: str,
    *,
    data: str,
    validation: str,
    output: str,
    init: str | None = None,
    crop: Crop | None = None,
    checkpoint_every: int = 500,
    evaluate_every: int | None = None,
    keep: int = 2,
    cpus_per_worker: int = 1,
) -> Job:
    """A job whose inputs have been checked. Raises :class:`InputError` before anything is written."""
    # Workers run in other folders: local paths must be absolute.
    data, validation, output = absolute(data), absolute(validation), absolute(output)
    init = init and absolute(init)
    public = {name: path and absolute(path) for name, path in config.pretrained}
    config = config.model_copy(update={"pretrained": PretrainedConfig(**public)})
    settings = config.train[stage]  # type: ignore[index]  # the command line offers known stages only
    sources = tuple(source for source in (init, output) if source)
    check_sources(stage, config, list(sources))
    plan = StreamPlan(
        open_training_data(data),
        config.holes,
        config.side_of(stage),
        config.seed,
        settings.batch,
        crop=crop,
        flip=settings.flip,
        damage=_damage_of(config) if stage == "detector" else None,
    )
    held_out = open_training_data(validation)
    held_out_plan = replace(plan, data=held_out, batch=min(VALIDATION_BATCH, held_out.rows), flip=False)
    for each in (plan, held_out_plan):
        each.load(0, 1)  # a wrong crop or undecodable pictures show here, not on a worker
    check_writable(output)
    return Job(
        config=config,
        stage=stage,
        plan=plan,
        validation=held_out_plan,
        output=output,
        sources=sources,
        checkpoint_every=checkpoint_every,
        evaluate_every=evaluate_every or checkpoint_every,
        keep=keep,
        cpus_per_worker=cpus_per_worker,
    )


def _damage_of(config: Config) -> Damage:
    """What is drawn onto the detector's tiles."""
    wanted = config.detector
    shapes = wanted.shapes and absolute(wanted.shapes)
    return Damage(size=wanted.tile, shapes=shapes, kept_apart=wanted.kept_apart)
