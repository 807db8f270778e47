"""A part of the configuration for each compared method: sizes of its networks, weights of its losses.

Defaults are the paper's. A new part is a :class:`~faceinpaint.config_part.StagePart`, and a field of ``Config``.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from faceinpaint.config_part import Part, Positive, PowerOfTwo, Ratio, StagePart, Weight


class PConvConfig(Part):
    """Partial-convolution U-Net (Liu 2018)."""

    width: Positive = 64  # channels of the first layer; doubled up to 8 x
    layers: Annotated[int, Field(ge=3, le=8)] = 8  # encoder layers, each of stride 2; the paper's eight suit 256+ px


class RFRConfig(Part):
    """Recurrent feature reasoning (Li 2020)."""

    width: Positive = 64
    recurrences: Positive = 6


class ContextEncoderConfig(StagePart):
    """Context encoder (Pathak 2016), as its code for random regions."""

    usual_training: ClassVar[dict[str, Any]] = {
        "steps": 500_000, "batch": 64, "lr": 0.002, "critic_lr": 0.0002, "betas": (0.5, 0.999),
    }  # fmt: skip

    width: Positive = 64  # channels of the first layer; doubled up to 8 x
    bottleneck: Positive = 4000  # channels of the middle
    critic_width: Positive = 64
    l2: Weight = 0.999
    adversarial: Weight = 0.001

    @staticmethod
    def layers_for(image_size: PowerOfTwo) -> int:
        """Halvings that bring a picture's side to 4: 4 at 64 px and 5 at 128 px, as in the authors' code."""
        return image_size.bit_length() - 3


class DeepFillV1Config(StagePart):
    """DeepFill v1 (Yu 2018), as its code. Terms of the coarse picture weigh ``coarse`` times the refined one's."""

    usual_training: ClassVar[dict[str, Any]] = {"steps": 1_000_000, "batch": 16, "lr": 0.0001, "betas": (0.5, 0.9)}

    width: Positive = 32  # channels of the first layer; doubled up to 4 x
    rate: Literal[1, 2] = 2  # attention compares every second feature, cells of 8 px; 1: each, of 4 px (small pictures)
    critic_widths: tuple[Positive, ...] = (64, 128, 256, 256)  # of the critic of pictures
    window_widths: tuple[Positive, ...] = (64, 128, 256, 512)  # of the critic of windows at the hole
    critic_steps: Positive = 5  # turns of the critics in a step
    hole: Weight = 1.2  # L1 in the hole, discounted
    gamma: Ratio = 0.9  # of the discount: what a step away from the known pixels costs; the paper's text: 0.99
    valid: Weight = 1.2  # L1 outside the hole
    coarse: Weight = 1.2
    adversarial: Weight = 0.001
    gradient_penalty: Weight = 10.0


class DeepFillV2Config(StagePart):
    """DeepFill v2 (Yu 2019): gated convolutions and SN-PatchGAN."""

    usual_training: ClassVar[dict[str, Any]] = {"steps": 1_000_000, "batch": 16, "lr": 0.0001, "betas": (0.5, 0.999)}

    width: Positive = 24  # channels of the first layer after gating; doubled up to 4 x
    rate: Literal[1, 2] = 2  # as in DeepFill v1
    gates: Literal["full", "single"] = "full"  # a gate for each value, or, lighter, one for all channels of a position
    critic_widths: tuple[Positive, ...] = (64, 128, 256, 256, 256, 256)
    l1: Weight = 1.0
    coarse_l1: Weight = 1.0
    adversarial: Weight = 1.0
