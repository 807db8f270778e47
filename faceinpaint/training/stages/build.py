"""A stage's trainee, with its networks built from the configuration and filled from earlier stages' weights."""

from __future__ import annotations

import torch

from faceinpaint.config import Config
from faceinpaint.errors import InputError
from faceinpaint.losses.identity import load_identity
from faceinpaint.losses.perceptual import load_features, load_perceptual
from faceinpaint.models import build
from faceinpaint.models.grow import grow
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.stylegan2 import StyleGAN2Generator
from faceinpaint.models.weights import has_weights, load_weights, read_weights
from faceinpaint.stages import STAGES, Stage
from faceinpaint.training.stages.baselines import BaselineTrainee
from faceinpaint.training.stages.detector import DetectorTrainee
from faceinpaint.training.stages.generator import GeneratorTrainee
from faceinpaint.training.stages.structure import StructureTrainee
from faceinpaint.training.stages.texture import TextureTrainee
from faceinpaint.training.start import Start
from faceinpaint.training.trainee import Trainee


def build_trainee(stage: Stage, config: Config, sources: list[str], start: Start | None = None) -> Trainee:
    """The trainee of a stage, seeded by the configuration.

    ``sources``: weights folders to look in, in order, for this stage's own and earlier stages' weights; after them come
    the public checkpoints of ``config.pretrained``, and, where ``seeded_generator`` allows it, random weights.
    See :func:`check_sources` for what must be there. ``start``: how the stage begins; None: from its own weights.
    """
    torch.manual_seed(config.seed)
    may_grow = start is not None and start.may_grow
    match STAGES[stage].kind:
        case "generator":
            trainee = GeneratorTrainee(config)
            _fill_from(sources, stage, trainee.generator, may_grow)
            return trainee
        case "structure":
            wanted = config.structure_loss
            identity = load_identity(config.pretrained.arcface, config.alignment) if wanted.identity else None
            perceptual = load_perceptual(config.lpips_backbone) if wanted.lpips else None
            return StructureTrainee(config, find_structure(config, sources, may_grow), perceptual, identity)
        case "texture":
            return _texture_trainee(stage, config, sources, start.stage if start else stage, may_grow)
        case "baseline":
            model = build.build_baseline(config, stage)
            _fill_from(sources, stage, model, may_grow)
            return BaselineTrainee(config, stage, model, load_features(config.feature_backbone))
        case "detector":
            detector = build.build_detector(config)
            _fill_from(sources, stage, detector, may_grow)
            return DetectorTrainee(config.train[stage], detector)


def _texture_trainee(stage: Stage, config: Config, sources: list[str], begin: Stage, may_grow: bool) -> TextureTrainee:
    """A second stage that starts from the weights of ``begin``."""
    recipe = config.texture_for(stage)
    structure = find_structure(config, sources, may_grow) if recipe.structure else None
    texture, critic = build.build_texture(recipe), build.build_critic(config)
    _fill_from(sources, begin, texture, may_grow)
    terms = config.texture_loss
    features = load_features(config.feature_backbone) if terms.perceptual else None
    lpips = load_perceptual(config.lpips_backbone) if terms.lpips or terms.structure else None
    return TextureTrainee(config, stage, structure, texture, critic, features, lpips)


def check_sources(stage: Stage, config: Config, sources: list[str]) -> None:
    """Raises :class:`InputError` when a stage lacks the earlier one it builds on; loads nothing."""
    facts = STAGES[stage]
    earlier = facts.builds_on
    if config.seeded_generator or earlier is None:
        return
    for name in (earlier, stage) if facts.holds_earlier else (earlier,):
        if getattr(config.pretrained, name) or any(has_weights(source, name) for source in sources):
            return
    where = " or ".join(sources)
    raise InputError(f"no {earlier}.safetensors under {where}: train `stage` {earlier} first, or name `init`")


def find_structure(config: Config, sources: list[str], may_grow: bool = False) -> StructureReconstructor:
    """The first stage: trained, or a public pSp checkpoint, or a fresh encoder over a trained generator."""
    structure = build.build_structure(config)
    if _fill_from(sources, "structure", structure, may_grow):
        return structure
    if config.pretrained.structure:
        return StructureReconstructor.from_psp_checkpoint(config.pretrained.structure, image_size=config.image_size)
    if config.pretrained.generator:
        structure.set_generator(StyleGAN2Generator.from_checkpoint(config.pretrained.generator))
    else:
        _fill_from(sources, "generator", structure.decoder, may_grow)
    structure.latent_avg.copy_(structure.decoder.mean_latent())
    return structure


def _fill_from(sources: list[str], name: str, module: torch.nn.Module, may_grow: bool) -> bool:
    """Fill a module from the first source that has its weights; False when none has."""
    for source in sources:
        if has_weights(source, name):
            if may_grow:
                tensors, _ = read_weights(source, name)
                module.load_state_dict(grow(tensors, module, f"{source}/{name}.safetensors").state)
            else:
                load_weights(source, name, module)
            return True
    return False
