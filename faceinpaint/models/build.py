"""Models of a configuration's sizes, with fresh weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from faceinpaint.config import Config, TextureConfig
from faceinpaint.models.baselines.context_encoder import ContextEncoder
from faceinpaint.models.baselines.deepfill import DeepFill
from faceinpaint.models.baselines.edgeconnect import EdgeConnect
from faceinpaint.models.baselines.pconv import PConvUNet
from faceinpaint.models.baselines.rfr import RFRNet
from faceinpaint.models.baselines.spgnet import SPGNet
from faceinpaint.models.baselines.structureflow import StructureFlow
from faceinpaint.models.critic import FEATURE_CHANNELS, Critic, FeatureCritic, PatchCritic
from faceinpaint.models.detector import DamageDetector
from faceinpaint.models.encoder import StyleEncoder
from faceinpaint.models.structure import StructureReconstructor, input_channels
from faceinpaint.models.stylegan2 import Discriminator, StyleGAN2Generator
from faceinpaint.models.texture import TextureGenerator
from faceinpaint.stages import Stage


def build_generator(config: Config) -> StyleGAN2Generator:
    """StyleGAN2's generator, which the structure stage drives."""
    g = config.generator
    return StyleGAN2Generator(g.size, g.style_dim, g.mapping_layers, g.channels, g.mapping_lr_multiplier)


def build_discriminator(config: Config) -> Discriminator:
    """What the generator is trained against."""
    return Discriminator(config.generator.size, config.generator.discriminator_channels or config.generator.channels)


def build_structure(config: Config) -> StructureReconstructor:
    """The first stage: an encoder, and the generator that it drives."""
    g, e, side = config.generator, config.encoder, config.structure_size
    channels = input_channels(e.mask_input, e.passes)
    encoder = StyleEncoder(g.n_styles, g.style_dim, e.units, e.widths, e.head_width, side, channels)
    return StructureReconstructor(build_generator(config), encoder, side, e.mask_input, e.passes)


def build_texture(recipe: TextureConfig) -> TextureGenerator:
    """The second stage, or an ablation of it (:meth:`~faceinpaint.config.Config.texture_for`)."""
    return TextureGenerator(
        recipe.widths,
        recipe.strides,
        recipe.attention,
        recipe.patch,
        recipe.temperature,
        recipe.residual,
        recipe.see_first and recipe.structure,
        recipe.upsampling,
        recipe.noise,
    )


def build_critic(config: Config) -> Critic | PatchCritic | FeatureCritic | Discriminator:
    """The texture stage's: the paper's, or one that sees the mask beside the picture."""
    recipe = config.texture
    match recipe.critic:
        case "wgan-gp":
            return Critic(recipe.critic_widths)
        case "patch":
            return PatchCritic(recipe.critic_widths)
        case "features":
            return FeatureCritic(recipe.critic_widths, FEATURE_CHANNELS[config.lpips_backbone])
        case "stylegan2":
            return Discriminator(config.image_size, recipe.critic_channels, inputs=4)


def build_context_encoder(config: Config) -> ContextEncoder:
    """As many halvings as bring the configuration's pictures to 4 px."""
    part = config.context_encoder
    return ContextEncoder(part.width, part.bottleneck, part.layers_for(config.image_size))


def build_detector(config: Config) -> DamageDetector:
    """What finds damage, in pictures of any size."""
    return DamageDetector(config.detector.widths, config.detector.context)


# What a stage's weights file fills. That of a compared method restores:
# images (N, 3, S, S) in [-1, 1], masks (N, 1, S, S) with 1 in the hole -> restored images alike.
NETWORKS: dict[Stage, Callable[[Config], nn.Module]] = {
    "generator": build_generator,
    "structure": build_structure,
    "texture": lambda config: build_texture(config.texture_for("texture")),
    "variant-1": lambda config: build_texture(config.texture_for("variant-1")),
    "variant-2": lambda config: build_texture(config.texture_for("variant-2")),
    "pconv": lambda config: PConvUNet(config.pconv.width, config.pconv.layers),
    "rfr": lambda config: RFRNet(config.rfr.width, config.rfr.recurrences),
    "context-encoder": build_context_encoder,
    "deepfill-v1": lambda config: DeepFill(config.deepfill_v1.width, "none", config.deepfill_v1.rate),
    "deepfill-v2": lambda config: DeepFill(config.deepfill_v2.width, config.deepfill_v2.gates, config.deepfill_v2.rate),
    "edgeconnect": lambda config: EdgeConnect(
        config.edgeconnect.width, config.edgeconnect.blocks, config.edgeconnect.sigma
    ),
    "structureflow": lambda config: StructureFlow(
        config.structureflow.width,
        config.structureflow.structure_blocks,
        config.structureflow.texture_blocks,
        config.structureflow.scale,
    ),
    "spg-net": lambda config: SPGNet(config.spg_net.classes, config.spg_net.width, config.spg_net.halvings),
    "detector": build_detector,
}


def build_network(config: Config, stage: Stage) -> nn.Module:
    """The network of a stage."""
    return NETWORKS[stage](config)
