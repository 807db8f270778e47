"""The stages of training and the methods they give: one table, which all code that asks about a stage reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["generator", "structure", "texture", "variant-1", "variant-2", "pconv", "rfr", "detector"]
Method = Literal["two-stage", "structure", "variant-1", "variant-2", "pconv", "rfr"]
Kind = Literal["generator", "structure", "texture", "baseline", "detector"]  # of a stage's networks and trainee


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """What a stage trains and needs. Its weights file is ``STAGE.safetensors``."""

    kind: Kind
    shaped_by: tuple[str, ...]  # fields of the configuration that shape its network
    builds_on: Stage | None = None  # the earlier stage whose weights it starts with
    holds_earlier: bool = False  # its own file holds that stage's network too
    critics: tuple[Literal["discriminator"], ...] = ()  # networks of its checkpoints that must fit beside its own
    method: Method | None = None  # what restores with it


STAGES: dict[Stage, StageFacts] = {
    "generator": StageFacts(kind="generator", shaped_by=("generator",), critics=("discriminator",)),
    "structure": StageFacts(
        kind="structure",
        shaped_by=("image_size", "generator", "encoder"),
        builds_on="generator",
        holds_earlier=True,
        method="structure",
    ),
    "texture": StageFacts(kind="texture", shaped_by=("texture",), builds_on="structure", method="two-stage"),
    "variant-1": StageFacts(kind="texture", shaped_by=("texture",), method="variant-1"),
    "variant-2": StageFacts(kind="texture", shaped_by=("texture",), builds_on="structure", method="variant-2"),
    "pconv": StageFacts(kind="baseline", shaped_by=("pconv",), method="pconv"),
    "rfr": StageFacts(kind="baseline", shaped_by=("rfr",), method="rfr"),
    "detector": StageFacts(kind="detector", shaped_by=("detector",)),
}

# Each method and the stage trained for it, the product's own first.
METHODS: dict[Method, Stage] = {
    "two-stage": "texture",
    **{facts.method: stage for stage, facts in STAGES.items() if facts.method},
}
TEXTURE_STAGES = tuple(stage for stage, facts in STAGES.items() if facts.kind == "texture")  # their networks are alike


def stages_up_to(stage: Stage) -> tuple[Stage, ...]:
    """The stages that ``stage`` builds on, in the order of training, and itself."""
    before = STAGES[stage].builds_on
    return (*stages_up_to(before), stage) if before else (stage,)
