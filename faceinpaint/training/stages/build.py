"""A stage's trainee, with its networks built from the configuration and filled from earlier stages' weights."""

from __future__ import annotations

from collections.abc import Callable

import torch

from faceinpaint.config import Config
from faceinpaint.errors import InputError
from faceinpaint.models.weights import has_weights
from faceinpaint.stages import STAGES, Stage
from faceinpaint.training.stages import (
    baselines,
    context_encoder,
    deepfill_v1,
    deepfill_v2,
    detector,
    edgeconnect,
    generator,
    spgnet,
    structure,
    structureflow,
    texture,
)
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.start import Start
from faceinpaint.training.trainee import Trainee

# Each makes its trainee on the CPU, seeded before, its networks filled from the sources that have their weights.
TRAINEES: dict[Stage, Callable[[Stage, Config, Sources], Trainee]] = {
    "generator": generator.make_trainee,
    "structure": structure.make_trainee,
    "texture": texture.make_trainee,
    "variant-1": texture.make_trainee,
    "variant-2": texture.make_trainee,
    "pconv": baselines.make_trainee,
    "rfr": baselines.make_trainee,
    "context-encoder": context_encoder.make_trainee,
    "deepfill-v1": deepfill_v1.make_trainee,
    "deepfill-v2": deepfill_v2.make_trainee,
    "edgeconnect": edgeconnect.make_trainee,
    "structureflow": structureflow.make_trainee,
    "spg-net": spgnet.make_trainee,
    "detector": detector.make_trainee,
}


def build_trainee(stage: Stage, config: Config, sources: list[str], start: Start | None = None) -> Trainee:
    """The trainee of a stage, seeded by the configuration.

    ``sources``: weights folders to look in, in order, for this stage's own and earlier stages' weights; after them come
    the public checkpoints of ``config.pretrained``, and, where ``seeded_generator`` allows it, random weights.
    See :func:`check_sources` for what must be there. ``start``: how the stage begins; None: from its own weights.
    """
    start = start or Start(stage=stage)
    torch.manual_seed(config.seed)
    found = Sources(folders=tuple(sources), begin=start.stage, may_grow=start.may_grow)
    return TRAINEES[stage](stage, config, found)


def check_sources(stage: Stage, config: Config, sources: list[str]) -> None:
    """Raises :class:`InputError` when a stage lacks the earlier one it builds on; loads nothing."""
    facts = STAGES[stage]
    earlier = facts.builds_on
    if config.seeded_generator or earlier is None:
        return
    for name in (earlier, stage) if facts.holds_earlier else (earlier,):
        if getattr(config.pretrained, name, None) or any(has_weights(source, name) for source in sources):
            return
    where = " or ".join(sources)
    raise InputError(f"no {earlier}.safetensors under {where}: train `stage` {earlier} first, or name `init`")
