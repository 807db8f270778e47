"""The stages of training and the methods they give: one table, which all code that asks about a stage reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Compared = Literal[
    "pconv", "rfr", "context-encoder", "deepfill-v1", "deepfill-v2", "edgeconnect", "structureflow", "spg-net"
]  # methods of others: each is a stage and a method of that name
Stage = Literal["generator", "structure", "texture", "variant-1", "variant-2", Compared, "detector"]
Method = Literal["two-stage", "latent-optimisation", "structure", "variant-1", "variant-2", Compared]
Kind = Literal["generator", "structure", "texture", "compared", "detector"]


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """What a stage trains and needs. Its weights file is ``STAGE.safetensors``.

    Its network is in the table of :mod:`faceinpaint.models.build`, its trainee in that of
    :mod:`faceinpaint.training.stages.build`. Of kind "compared": its file alone restores.
    """

    kind: Kind
    shaped_by: tuple[str, ...]  # fields of the configuration that shape its network, a compared method's own first
    builds_on: Stage | None = None  # the earlier stage whose weights it starts with
    holds_earlier: bool = False  # its own file holds that stage's network too
    critics: tuple[Literal["discriminator"], ...] = ()  # networks of its checkpoints that must fit beside its own
    method: Method | None = None  # what restores with it
    label: str = ""  # that method's name in tables and plots
    labels: bool = False  # it learns from pictures with label maps


STAGES: dict[Stage, StageFacts] = {
    "generator": StageFacts(
        kind="generator",
        shaped_by=("generator",),
        critics=("discriminator",),
        method="latent-optimisation",
        label="Latent optimisation",
    ),
    "structure": StageFacts(
        kind="structure",
        shaped_by=("image_size", "generator", "encoder"),
        builds_on="generator",
        holds_earlier=True,
        method="structure",
        label="Stage 1 alone",
    ),
    "texture": StageFacts(
        kind="texture", shaped_by=("texture",), builds_on="structure", method="two-stage", label="Ours"
    ),
    "variant-1": StageFacts(kind="texture", shaped_by=("texture",), method="variant-1", label="Variant 1"),
    "variant-2": StageFacts(
        kind="texture", shaped_by=("texture",), builds_on="structure", method="variant-2", label="Variant 2"
    ),
    "pconv": StageFacts(kind="compared", shaped_by=("pconv",), method="pconv", label="PConv"),
    "rfr": StageFacts(kind="compared", shaped_by=("rfr",), method="rfr", label="RFR"),
    "context-encoder": StageFacts(
        kind="compared",
        shaped_by=("context_encoder", "image_size"),
        method="context-encoder",
        label="Context Encoder",
    ),
    "deepfill-v1": StageFacts(kind="compared", shaped_by=("deepfill_v1",), method="deepfill-v1", label="DeepFill v1"),
    "deepfill-v2": StageFacts(kind="compared", shaped_by=("deepfill_v2",), method="deepfill-v2", label="DeepFill v2"),
    "edgeconnect": StageFacts(kind="compared", shaped_by=("edgeconnect",), method="edgeconnect", label="EdgeConnect"),
    "structureflow": StageFacts(
        kind="compared", shaped_by=("structureflow",), method="structureflow", label="StructureFlow"
    ),
    "spg-net": StageFacts(kind="compared", shaped_by=("spg_net",), method="spg-net", label="SPG-Net", labels=True),
    "detector": StageFacts(kind="detector", shaped_by=("detector",)),
}

# Each method and the stage trained for it, the product's own first.
METHODS: dict[Method, Stage] = {
    "two-stage": "texture",
    **{facts.method: stage for stage, facts in STAGES.items() if facts.method},
}
TEXTURE_STAGES = tuple(stage for stage, facts in STAGES.items() if facts.kind == "texture")  # their networks are alike


def stage_after(stage: Stage) -> Stage | None:
    """The first stage that builds on ``stage``."""
    return next((later for later, facts in STAGES.items() if facts.builds_on == stage), None)


def stages_up_to(stage: Stage) -> tuple[Stage, ...]:
    """The stages that ``stage`` builds on, in the order of training, and itself."""
    before = STAGES[stage].builds_on
    return (*stages_up_to(before), stage) if before else (stage,)
