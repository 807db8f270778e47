"""What a training job is to do, checked whole before any work."""

from __future__ import annotations

from dataclasses import dataclass, replace

from faceinpaint.config import Config, PretrainedConfig, StageTraining
from faceinpaint.data.damage.paint import Damage
from faceinpaint.data.stream import StreamPlan, open_training_data
from faceinpaint.errors import InputError
from faceinpaint.images import Crop
from faceinpaint.models.find_weights import find_weights
from faceinpaint.stages import STAGES, Stage
from faceinpaint.storage import absolute, check_writable, join
from faceinpaint.training.checkpoint import CheckpointStore
from faceinpaint.training.stages.build import check_sources
from faceinpaint.training.start import Start, find_start
from faceinpaint.training.trunk import Trunk

VALIDATION_BATCH = 16


@dataclass(frozen=True)
class Job:
    """A training job: one stage of one configuration on some data. Sent to every worker as it is."""

    config: Config
    stage: Stage
    plan: StreamPlan  # of rank 0 of 1; each worker takes its part
    validation: StreamPlan
    output: str  # weights folder; everything else of the run lies in runs/STAGE under it
    sources: tuple[str, ...]  # where earlier stages' weights may lie
    checkpoint_every: int
    evaluate_every: int
    keep: int = 2
    cpus_per_worker: int = 1
    trunk: Trunk | None = None  # where this run goes on from, unless it has checkpoints of its own
    start: Start | None = None  # how it begins; None: from its own stage's weights, as they are

    def __post_init__(self) -> None:
        for name in ("checkpoint_every", "evaluate_every", "keep", "cpus_per_worker"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: must be at least 1")

    @property
    def settings(self) -> StageTraining:
        """How the stage is optimised."""
        return self.config.train[self.stage]

    @property
    def folder(self) -> str:
        """Where the run's state lies."""
        return join(self.output, "runs", self.stage)

    @property
    def checkpoints(self) -> CheckpointStore:
        """The run's own."""
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
    stage: Stage,
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
    start: Start | None = None,
) -> Job:
    """A job whose inputs have been checked. Raises :class:`InputError` before anything is written.

    ``init``: weights folder of earlier stages and of this stage's start; where the run that made it lies in it, the run
    goes on. ``start``: which of its stages to start from and how; default: this one, as it is.
    """
    _check_halvings(config, stage)
    # Workers run in other folders: local paths must be absolute.
    data, validation, output = absolute(data), absolute(validation), absolute(output)
    init = init and find_weights(init)
    public = {name: path and absolute(path) for name, path in config.pretrained}
    config = config.model_copy(update={"pretrained": PretrainedConfig(**public)})
    sources = tuple(source for source in (init, output) if source)
    check_sources(stage, config, list(sources))
    start = start or Start(stage=stage)
    trunk = find_start(start, stage, config, init if init != output else None, sources)
    plan, held_out = _plans(config, stage, data, validation, crop)
    check_writable(output)
    return Job(
        config=config,
        stage=stage,
        plan=plan,
        validation=held_out,
        output=output,
        sources=sources,
        checkpoint_every=checkpoint_every,
        evaluate_every=evaluate_every or checkpoint_every,
        keep=keep,
        cpus_per_worker=cpus_per_worker,
        trunk=trunk,
        start=start,
    )


def _check_halvings(config: Config, stage: Stage) -> None:
    """Raises :class:`InputError` where a stage's network halves its pictures below one pixel."""
    fields = {"pconv": ("pconv.layers", config.pconv.layers), "spg-net": ("spg_net.halvings", config.spg_net.halvings)}
    name, times = fields.get(stage, ("", 0))
    most = config.image_size.bit_length() - 1
    if times > most:
        raise InputError(
            f"{name} = {times}: pictures of {config.image_size} px can be halved {most} times; set {name} to {most} or "
            "less, or choose a larger image_size"
        )


def _plans(
    config: Config, stage: Stage, data: str, validation: str, crop: Crop | None
) -> tuple[StreamPlan, StreamPlan]:
    """The streams of training and validation pictures; the first batch of each has been read."""
    settings = config.train[stage]
    labels = STAGES[stage].labels
    pictures = open_training_data(data, labels)
    plan = StreamPlan(
        pictures, config.holes, config.side_of(stage), config.seed, settings.batch, crop=crop, flip=settings.flip
    )
    if STAGES[stage].kind == "detector":
        plan = replace(plan, damage=_damage_of(config))
    if labels:
        plan = replace(plan, classes=config.spg_net.classes)
    held_out = open_training_data(validation, labels)
    held_out_plan = replace(plan, data=held_out, batch=min(VALIDATION_BATCH, held_out.rows), flip=False)
    for each in (plan, held_out_plan):
        each.load(0, 1)  # a wrong crop or undecodable pictures show here, not on a worker
    return plan, held_out_plan


def _damage_of(config: Config) -> Damage:
    """What is drawn onto the detector's tiles."""
    wanted = config.detector
    shapes = wanted.shapes and absolute(wanted.shapes)
    return Damage(size=wanted.tile, shapes=shapes, kept_apart=wanted.kept_apart)
