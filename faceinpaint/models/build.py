"""Models of a configuration's sizes, with fresh weights."""

from __future__ import annotations

from faceinpaint.config import Config, TextureConfig
from faceinpaint.models.baselines.pconv import PConvUNet
from faceinpaint.models.baselines.rfr import RFRNet
from faceinpaint.models.critic import Critic
from faceinpaint.models.encoder import StyleEncoder
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.stylegan2 import Discriminator, StyleGAN2Generator
from faceinpaint.models.texture import TextureGenerator


def build_generator(config: Config) -> StyleGAN2Generator:
    g = config.generator
    return StyleGAN2Generator(g.size, g.style_dim, g.mapping_layers, g.channels, g.mapping_lr_multiplier)


def build_discriminator(config: Config) -> Discriminator:
    return Discriminator(config.generator.size, config.generator.discriminator_channels or config.generator.channels)


def build_structure(config: Config) -> StructureReconstructor:
    g, e = config.generator, config.encoder
    encoder = StyleEncoder(g.n_styles, g.style_dim, e.units, e.widths, e.head_width, config.image_size)
    return StructureReconstructor(build_generator(config), encoder, config.image_size)


def build_texture(recipe: TextureConfig) -> TextureGenerator:
    return TextureGenerator(
        recipe.widths, recipe.strides, recipe.attention, recipe.patch, recipe.temperature, recipe.residual
    )


def build_critic(recipe: TextureConfig) -> Critic:
    return Critic(recipe.critic_widths)


def build_baseline(config: Config, name: str) -> PConvUNet | RFRNet:
    """The compared method ``pconv`` or ``rfr``."""
    if name == "pconv":
        return PConvUNet(config.pconv.width, config.pconv.layers)
    return RFRNet(config.rfr.width, config.rfr.recurrences)
