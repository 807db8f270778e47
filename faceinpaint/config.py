"""Everything a run needs, as frozen, validated models; :mod:`faceinpaint.load_config` reads them.

Reading order: the parts of the model, the losses, the training stages, then :class:`Config`. The parts of compared
methods are in :mod:`faceinpaint.compared_config`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from faceinpaint.compared_config import (
    ContextEncoderConfig,
    DeepFillV1Config,
    DeepFillV2Config,
    EdgeConnectConfig,
    PConvConfig,
    RFRConfig,
    SPGNetConfig,
    StructureFlowConfig,
)
from faceinpaint.config_part import Part, Positive, PowerOfTwo, Ratio, StagePart, Weight
from faceinpaint.names import Alignment, Backbone, Precision, Upsampling
from faceinpaint.stages import STAGES, Stage


class GeneratorConfig(Part):
    """StyleGAN2 (Karras 2020)."""

    size: PowerOfTwo  # side of the picture it makes, pixels
    style_dim: Positive = 512  # width of W
    mapping_layers: Positive = 8
    mapping_lr_multiplier: float = Field(default=0.01, gt=0)
    channels: dict[int, Positive] | None = None  # resolution -> channels; None: the public config-f widths
    discriminator_channels: dict[int, Positive] | None = None  # None: the generator's

    @model_validator(mode="after")
    def _channels_cover_sizes(self) -> GeneratorConfig:
        sizes = {2**i for i in range(2, self.size.bit_length())}
        for name in ("channels", "discriminator_channels"):
            table = getattr(self, name)
            if table is not None and set(table) != sizes:
                raise ValueError(f"{name} names resolutions {sorted(table)}, but needs {sorted(sizes)}")
        return self

    @property
    def n_styles(self) -> int:
        """Number of W+ vectors: two per resolution (4, 8, ..., size): 2 log2(size) - 2."""
        return 2 * (self.size.bit_length() - 1) - 2


class EncoderConfig(Part):
    """pSp feature-pyramid encoder (Richardson 2021): an IR-SE ResNet and one head per style vector."""

    units: tuple[Positive, Positive, Positive, Positive] = (3, 4, 14, 3)  # residual units per stage; IR-SE50
    widths: tuple[Positive, Positive, Positive, Positive] = (64, 128, 256, 512)
    head_width: Positive = 512  # channels of the pyramid and of the map2style heads
    mask_input: bool = False  # the mask as a fourth input channel; the paper: the damaged picture alone
    passes: Annotated[int, Field(ge=1, le=3)] = 1  # further ones see the picture so far and add to W+ (Alaluf 2021)


class TextureConfig(Part):
    """Gated encoder-decoder with attention transfer (section 4)."""

    widths: tuple[Positive, Positive, Positive, Positive, Positive, Positive] = (32, 64, 128, 256, 256, 256)
    # Strides of levels 1-6, pixels of the picture. A first one of 2: level 1 works behind a 2 x 2 space-to-depth.
    strides: tuple[Positive, Positive, Positive, Positive, Positive, Positive] = (1, 2, 4, 8, 16, 32)
    attention: tuple[tuple[int, int], ...] = ((6, 1), (5, 2), (4, 3))  # (level scored, level filled)
    patch: Positive = 1  # side of an attention patch at the scored level
    temperature: float = Field(default=1.0, gt=0)  # cosine scores are divided by it; 1 is the paper
    residual: bool = True  # paint on top of the first stage's picture (section 4.1)
    structure: bool = True  # False: no first stage (variant 1); the hole comes in grey
    see_first: bool = False  # the first stage's whole picture as three more input channels
    upsampling: Upsampling = "nearest"  # between decoder levels
    noise: bool = False  # a channel of noise at each decoder level (Karras 2019)
    # patch: SN-PatchGAN's hinge loss at the hole; features: the same, and heads on the features of ``lpips_backbone``;
    # stylegan2: logistic loss and lazy R1. These see the mask too.
    critic: Literal["wgan-gp", "patch", "features", "stylegan2"] = "wgan-gp"
    critic_widths: tuple[Positive, ...] = (64, 128, 256, 256, 256)  # of the wgan-gp, patch and features critics
    critic_channels: dict[int, Positive] | None = None  # resolution -> channels of the stylegan2 critic

    @model_validator(mode="after")
    def _levels_fit(self) -> TextureConfig:
        if self.strides[0] not in (1, 2, 4):
            raise ValueError(f"strides {self.strides}: the first is 1, 2 or 4")
        for a, b in zip(self.strides, self.strides[1:], strict=False):
            if b not in (a, 2 * a):
                raise ValueError(f"strides {self.strides}: each level must keep or double the stride before it")
        for scored, filled in self.attention:
            if scored not in (4, 5, 6) or filled not in (1, 2, 3):
                raise ValueError(f"attention pair {(scored, filled)}: scores come from level 4-6, fills go to 1-3")
        if len({filled for _, filled in self.attention}) != len(self.attention):
            raise ValueError(f"attention {self.attention}: a level is filled at most once")
        return self


class DetectorConfig(StagePart):
    """The damage detector, and the tiles that it learns from."""

    # From noise it needs many tiles: these are 300,000.
    usual_training: ClassVar[dict[str, Any]] = {
        "steps": 4_700, "batch": 64, "lr": 0.0015, "schedule": "cosine", "warmup": 100, "clip": 1.0,
        "ema_pictures": 4000,
    }  # fmt: skip

    widths: tuple[Positive, Positive, Positive, Positive] = (24, 48, 96, 112)  # at 1/2, 1/4, 1/8, 1/16 resolution
    context: Annotated[int, Field(ge=0)] = 0  # channels at 1/32 resolution, for what surrounds a pixel; 0: none
    tile: Annotated[int, Field(ge=64, multiple_of=16)] = 160  # side of a training tile, pixels
    shapes: str | None = None  # Parquet file of film damage (kind, mask), local or s3://; None: drawn damage alone
    kept_apart: tuple[str, ...] = ()  # kinds of those shapes that are measured on and never trained on

    @model_validator(mode="after")
    def _tile_fits(self) -> DetectorConfig:
        if self.context and self.tile % 32:
            raise ValueError(f"tile {self.tile}: with a context it must be a multiple of 32")
        return self


class StructureLoss(Part):
    """Weights of section 3.2: L_s = l2 L2 + lpips L_perc + identity L_ID + hole L_hole + valid L_valid."""

    l2: Weight = 1.0
    lpips: Weight = 0.8
    identity: Weight = 0.1
    hole: Weight = 6.0
    valid: Weight = 1.0


class TextureLoss(Part):
    """Weights of section 4.4: L_T = perceptual L_perc + adversarial L_adv + l1 L1; critic: gradient_penalty GP.

    Ours (the paper's 0): ``hole``, an L1 over hole pixels by the picture's element count, ``lpips``, and ``structure``,
    the first stage's own loss (section 3.2) where both stages are trained together. ``window``: side in pixels of a
    window at the hole in which ``perceptual``, ``lpips`` and the patch critic look; None: the whole picture, as in the
    paper.
    """

    perceptual: Weight = 10.0
    lpips: Weight = 0.0
    adversarial: Weight = 1.0
    l1: Weight = 100.0
    hole: Weight = 0.0
    structure: Weight = 0.0
    gradient_penalty: Weight = 10.0
    window: Positive | None = None


class BaselineLoss(Part):
    """Weights PConv and RFR share (Liu 2018, equation 7; Li 2020, equation 10)."""

    valid: Weight = 1.0
    hole: Weight = 6.0
    perceptual: Weight = 0.05
    style: Weight = 120.0
    tv: Weight = 0.1


class HoleConfig(Part):
    """What holes training draws: rectangles, thin strokes, large free-form holes; the rest gets other free-form ones.

    Pairs are the least and the most.
    """

    squares: Ratio = 0.5  # share of samples that get a rectangle
    square_side: tuple[Ratio, Ratio] = (0.1875, 0.5)  # shares of the picture's side
    aspect: float = Field(default=1.0, ge=1)  # longest over shortest side of a rectangle, at most; 1: squares
    freeform_ratio: tuple[Ratio, Ratio] = (0.05, 0.5)  # hole area over picture area
    scratches: Ratio = 0.0  # share of samples that get thin strokes
    scratch_ratio: tuple[Ratio, Ratio] = (0.005, 0.08)
    scratch_width: tuple[Ratio, Ratio] = (0.008, 0.04)  # shares of the picture's side
    large: Ratio = 0.0  # share of samples whose free-form hole takes ``large_ratio`` of the picture
    large_ratio: tuple[Ratio, Ratio] = (0.5, 0.8)


class JitterConfig(Part):
    """Random changes of training pictures, their true pixels included, so that few faces go further. 0: none."""

    scale: Ratio = 0.0  # enlarged or shrunk by up to this share
    turn: float = Field(default=0.0, ge=0, le=180)  # degrees, either way
    shift: Ratio = 0.0  # share of the side, either way
    light: Ratio = 0.0  # brightness, contrast and gamma
    grey: Ratio = 0.0  # share of pictures that lose their colour


class StageTraining(Part):
    """How one stage is optimised."""

    steps: Positive
    batch: Positive  # global batch, all workers together
    lr: float = Field(gt=0)
    critic_lr: float | None = Field(default=None, gt=0)  # None: lr
    critic_first: int = Field(default=0, ge=0)  # steps in which the critic learns alone
    betas: tuple[Ratio, Ratio] = (0.9, 0.999)
    schedule: Literal["constant", "cosine", "step"] = "constant"
    step_every: Positive = 100_000  # "step": lr times step_factor every this many steps
    step_factor: float = Field(default=0.96, gt=0)
    warmup: int = Field(default=0, ge=0)  # steps of linear warm-up
    accumulate: Positive = 1  # micro-batches per optimiser step
    clip: float | None = Field(default=None, gt=0)  # largest gradient norm
    ema_pictures: float = Field(default=10_000, gt=0)  # half-life of the weights' moving average, in pictures
    tune_generator: bool = False  # structure stage only: train the generator too
    tune_structure: Weight = 0.0  # texture stage only: train the first stage too, at this share of lr
    crop: Positive | None = None  # texture stages: side of the part at the hole that is trained on; None: all of it
    max_loss: float = Field(default=1e6, gt=0)  # a loss or gradient norm beyond it counts as diverged
    bad_steps: int = Field(default=0, ge=0)  # diverged steps that are skipped before the run stops
    batch_norm: Literal["per-worker", "sync", "frozen"] = "per-worker"  # statistics: see docs/training.md
    flip: bool = True  # random mirror
    jitter: JitterConfig = JitterConfig()
    fine_tune_from: Ratio = 1.0  # pconv, rfr: share of the run after which encoder batch norm is frozen


class GanTraining(Part):
    """Regularisers of generator training (Karras 2020); lazy: each acts every ``r1_every`` or ``path_every`` steps.

    ``r1`` and ``r1_every`` are those of the texture stage's stylegan2 critic too.
    """

    r1: Weight = 10.0
    r1_every: Positive = 16
    path_length: Weight = 2.0
    path_every: Positive = 4
    path_batch_shrink: Positive = 2
    style_mixing: Ratio = 0.9
    augment_target: Ratio = 0.6  # adaptive augmentation keeps E[sign D(real)] here; 0: no augmentation
    augment_speed_pictures: Positive = 100_000  # pictures for the augmentation probability to go from 0 to 1


class PretrainedConfig(Part):
    """Public checkpoints, as paths every worker can read. None: go without, or take a substitute."""

    generator: str | None = None  # StyleGAN2: {"g_ema", "latent_avg"}
    structure: str | None = None  # pSp: {"state_dict", "latent_avg"}
    arcface: str | None = None  # model_ir_se50.pth; None: SFace


class Config(Part):
    """A whole system: models, losses, stages."""

    preset: str
    image_size: PowerOfTwo  # side of the pictures both stages work on
    seed: int = 0
    generator: GeneratorConfig
    encoder: EncoderConfig = EncoderConfig()
    texture: TextureConfig = TextureConfig()
    pconv: PConvConfig = PConvConfig()
    rfr: RFRConfig = RFRConfig()
    context_encoder: ContextEncoderConfig = ContextEncoderConfig()
    deepfill_v1: DeepFillV1Config = DeepFillV1Config()
    deepfill_v2: DeepFillV2Config = DeepFillV2Config()
    edgeconnect: EdgeConnectConfig = EdgeConnectConfig()
    structureflow: StructureFlowConfig = StructureFlowConfig()
    spg_net: SPGNetConfig = SPGNetConfig()
    detector: DetectorConfig = DetectorConfig()
    structure_loss: StructureLoss = StructureLoss()
    texture_loss: TextureLoss = TextureLoss()
    baseline_loss: BaselineLoss = BaselineLoss()
    match_paste: bool = False  # shift the first stage's paste so that it meets the valid pixels at the hole's edge
    alignment: Alignment = "ffhq"  # how faces lie in the pictures: restoration turns them so, identity looks there
    lpips_backbone: Backbone = "alex"  # of the losses ``lpips``, and of the features critic
    feature_backbone: Backbone = "vgg"  # of the losses that compare features; the paper: VGG16
    holes: HoleConfig = HoleConfig()
    gan: GanTraining = GanTraining()
    pretrained: PretrainedConfig = PretrainedConfig()
    train: dict[Stage, StageTraining]
    precision: Precision = "fp32"  # of training; fp16 scales its losses
    channels_last: bool = False  # memory layout of maps: the same numbers but for rounding, faster on most machines
    seeded_generator: bool = False  # tests: stages after the generator may start from a random one

    @field_validator("train", mode="before")
    @classmethod
    def _usual_settings(cls, train: Any) -> Any:
        """A stage that a configuration does not mention gets the usual settings of the part that shapes it, if any."""
        parts = {stage: cls.model_fields[facts.shaped_by[0]].annotation for stage, facts in STAGES.items()}
        usual = {
            stage: part.usual_training
            for stage, part in parts.items()
            if isinstance(part, type) and issubclass(part, StagePart)
        }
        return {**usual, **train} if isinstance(train, dict) else train

    @model_validator(mode="after")
    def _sizes_fit(self) -> Config:
        step = self.texture.patch * self.texture.strides[-1]
        if self.image_size % step:
            raise ValueError(f"image_size {self.image_size} is not a multiple of {step}, texture's patch by its stride")
        sizes = {2**i for i in range(2, self.image_size.bit_length())}
        if self.texture.critic == "stylegan2" and set(self.texture.critic_channels or {}) != sizes:
            raise ValueError(f"texture.critic_channels must name resolutions {sorted(sizes)}")
        for stage, settings in self.train.items():
            if settings.crop and (settings.crop % step or self.texture.critic == "stylegan2"):
                raise ValueError(f"train.{stage}.crop is a multiple of {step}, and not for critic stylegan2")
        jitter = self.train["detector"].jitter if "detector" in self.train else JitterConfig()
        if jitter.scale or jitter.turn or jitter.shift:
            raise ValueError("train.detector.jitter may change light and grey alone: the marks of damage stay in place")
        missing = sorted(set(STAGES) - set(self.train))
        if missing:
            raise ValueError(f"train has no settings for {', '.join(missing)}")
        return self

    @property
    def structure_size(self) -> int:
        """Side of the pictures that the first stage sees and makes: a smaller generator's is enlarged (section 4.1)."""
        return min(self.image_size, self.generator.size)

    def side_of(self, stage: Stage) -> int:
        """Side of the pictures that a stage is trained on."""
        sides: dict[Stage, int] = {
            "generator": self.generator.size,
            "structure": self.structure_size,
            "detector": self.detector.tile,
        }
        return sides.get(stage, self.image_size)

    def texture_for(self, stage: Stage) -> TextureConfig:
        """The texture generator of ``texture`` or of an ablation (table 2): the variants are configs, not code."""
        level_six = ((6, 1), (6, 2), (6, 3))
        changes: dict[Stage, dict[str, Any]] = {
            "texture": {},
            "variant-1": {"structure": False, "attention": level_six},
            "variant-2": {"attention": level_six},
        }
        return self.texture.model_copy(update=changes[stage])

    def to_yaml(self) -> str:
        """The whole configuration as YAML that :func:`faceinpaint.load_config.parse_yaml` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
