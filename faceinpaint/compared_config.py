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


class EdgeConnectConfig(StagePart):
    """Edges first, then colours (Nazeri 2019)."""

    usual_training: ClassVar[dict[str, Any]] = {
        "steps": 2_000_000, "batch": 8, "lr": 0.0001, "critic_lr": 0.00001, "betas": [0.0, 0.9]
    }  # fmt: skip

    width: Positive = 64  # channels of the first layer of each network
    blocks: Positive = 8  # residual blocks of each network
    critic_width: Positive = 64
    sigma: float = Field(default=2.0, gt=0)  # of Canny's filter, pixels; the paper's suits 256 px
    guided_from: Ratio = 0.5  # share of the run after which colours follow drawn edges instead of the true ones
    edge_adversarial: Weight = 1.0
    feature_matching: Weight = 10.0
    l1: Weight = 1.0
    adversarial: Weight = 0.1
    perceptual: Weight = 0.1
    style: Weight = 250.0


class StructureFlowConfig(StagePart):
    """Smooth structure first, then texture by appearance flow (Ren 2019)."""

    usual_training: ClassVar[dict[str, Any]] = {
        "steps": 2_000_000, "batch": 12, "lr": 0.0001, "betas": [0.0, 0.999]
    }  # fmt: skip

    width: Annotated[int, Field(ge=2, multiple_of=2)] = 64  # channels of the first layers
    structure_blocks: Positive = 4  # residual blocks before each doubling
    texture_blocks: Positive = 2
    critic_width: Positive = 64
    scale: float = Field(default=3.0, gt=0)  # of the smoothing's window, pixels; the paper's suits 256 px
    guided_from: Ratio = 0.5  # share of the run after which texture follows the made structure instead of the true one
    structure_l1: Weight = 4.0
    structure_adversarial: Weight = 1.0
    l1: Weight = 5.0
    correctness: Weight = 0.25  # of where the flow samples
    adversarial: Weight = 1.0


class SPGNetConfig(StagePart):
    """Labels first, then colours (Song 2018)."""

    usual_training: ClassVar[dict[str, Any]] = {
        "steps": 500_000, "batch": 8, "lr": 0.0002, "betas": [0.5, 0.999]
    }  # fmt: skip

    classes: Annotated[int, Field(ge=2, le=256)] = 19  # of label maps; 19: CelebAMask-HQ
    width: Positive = 64  # channels of the first layer of each network, doubled at each halving
    halvings: Annotated[int, Field(ge=1, le=6)] = 4  # of the picture; the paper's suit 256 px
    critic_width: Positive = 64
    critic_scales: Annotated[int, Field(ge=1, le=3)] = 3
    labels_given: Ratio = 0.5  # share of samples whose labels outside the hole are given; restoring has none
    guided_from: Ratio = 0.5  # share of the run after which colours follow predicted labels instead of the true ones
    cross_entropy: Weight = 1.0  # ours: the first network must label the picture outside the hole as well
    label_adversarial: Weight = 1.0
    label_matching: Weight = 10.0  # of the critic's features
    adversarial: Weight = 1.0
    perceptual: Weight = 10.0
    l1: Weight = 0.0  # ours, in the hole
