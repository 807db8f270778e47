"""The texture stage and its ablations: gated convolutions refine the first stage's picture (section 4)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.config import Config
from faceinpaint.losses.identity import IdentityNetwork, load_identity
from faceinpaint.losses.perceptual import FeatureLoss, PerceptualDistance, load_features, load_perceptual
from faceinpaint.losses.reconstruction import hole_l1, l1
from faceinpaint.models.build import build_critic, build_texture
from faceinpaint.models.critic import Critic, FeatureCritic, PatchCritic
from faceinpaint.models.structure import StructureReconstructor, shrunk
from faceinpaint.models.stylegan2 import Discriminator
from faceinpaint.models.texture import TextureGenerator
from faceinpaint.models.two_stage import First, TwoStage
from faceinpaint.models.window import Windows
from faceinpaint.stages import Stage
from faceinpaint.training.stages.adversary import Hinge, Logistic, Wasserstein
from faceinpaint.training.stages.once import Once
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.stages.structure import StructureTerms
from faceinpaint.training.trainee import Batch, Losses, Phase, adam


class TextureTrainee:
    """L_T = 10 L_t-perc + L_adv + 100 L1 (section 4.4), with the paper's WGAN-GP critic or another.

    stage: "texture", "variant-1" or "variant-2". structure: the trained first stage, None for variant 1; it is frozen
    unless ``tune_structure`` is set. features, perceptual, identity: needed where a weight asks for them, in
    ``texture_loss`` or in the first stage's own.
    """

    def __init__(
        self,
        config: Config,
        stage: Stage,
        structure: StructureReconstructor | None,
        texture: TextureGenerator,
        critic: Critic | PatchCritic | FeatureCritic | Discriminator,
        features: FeatureLoss | None,
        perceptual: PerceptualDistance | None,
        identity: IdentityNetwork | None,
    ):
        self.settings = config.train[stage]
        self.stage, self.loss, self.gan = stage, config.texture_loss, config.gan
        self.features, self.perceptual = features, perceptual
        self.adversary = _adversary(critic, self.loss.gradient_penalty, perceptual)
        self.model = TwoStage(structure, texture, config.match_paste)
        self.painted = Once()
        self.modules: dict[str, nn.Module] = {stage: texture}
        self.exported: dict[str, nn.Module] = {stage: texture}
        self.frozen: tuple[nn.Module, ...] = tuple(m for m in (features, perceptual, identity) if m is not None)
        self.first_terms = StructureTerms(config.structure_loss, perceptual, identity)
        names = ("perceptual", "l1", "hole", "lpips", "adversarial")
        self.weights = {name: weight for name in names if (weight := getattr(self.loss, name))}
        painter = adam(texture.parameters(), self.settings)
        trained: tuple[nn.Module, ...] = (texture,)
        if structure is not None and self.settings.tune_structure:
            self.modules["structure"] = self.exported["structure"] = structure
            lr = self.settings.lr * self.settings.tune_structure
            painter.add_param_group({"params": [p for p in structure.parameters() if p.requires_grad], "lr": lr})
            trained += (structure,)
            if self.loss.structure:
                self.weights["structure"] = self.loss.structure
        elif structure is not None:
            self.frozen += (structure.eval().requires_grad_(False),)
        after = self.settings.critic_first if self.loss.adversarial else 0
        self.phases = [Phase(stage, trained, painter, self._losses, self.weights, after=after)]
        if self.loss.adversarial:
            self.phases += self._critic_phases()

    def _critic_phases(self) -> list[Phase]:
        """The critic's turns in a step, after the painter's: it judges the pictures that were just painted."""
        adversary, settings, every = self.adversary, self.settings, self.gan.r1_every
        critic = self.modules["critic"] = adversary.critic
        lazy = isinstance(adversary, Logistic) and bool(self.gan.r1)
        judge = adam(critic.parameters(), settings, settings.critic_lr, every if lazy else 1)
        phases = [Phase("critic", (critic,), judge, self._critic_losses, adversary.terms)]
        if isinstance(adversary, Logistic) and lazy:
            # Weighted up by its interval: a lazy term must count as much as one at every step.
            phases.append(Phase("r1", (critic,), judge, adversary.r1, {"r1": self.gan.r1 * every}, every))
        return phases

    def before_step(self, progress: float) -> None:
        self.painted.forget()

    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """Pictures restored by both stages."""
        texture, structure = averaged[self.stage], averaged.get("structure", self.model.structure)
        assert isinstance(texture, TextureGenerator)
        assert structure is None or isinstance(structure, StructureReconstructor)
        return TwoStage(structure, texture, self.model.match_paste)(batch.images, batch.masks)

    def _critic_losses(self, batch: Batch) -> Losses:
        fake, part = self._fake(batch), self._part(batch)
        return self.adversary.losses(part, fake, self._window(part))

    @torch.no_grad()
    def _fake(self, batch: Batch) -> Tensor:
        """What the painter made in this step; made anew where the critic learns alone."""
        return self.painted(batch, lambda: self._paint(self._first(batch)[0], batch))

    def _paint(self, first: First, batch: Batch) -> Tensor:
        """The second stage's pictures, of the part that it is trained on."""
        cut, part = self._cut(batch), self._part(batch)
        whole = None if first.whole is None else cut.cut(first.whole)
        return self.model.second(First(cut.cut(first.pasted), whole), part.images, part.masks)

    def _cut(self, batch: Batch) -> Windows:
        return _at_holes(batch, self.settings.crop)

    def _part(self, batch: Batch) -> Batch:
        cut = self._cut(batch)
        return replace(batch, images=cut.cut(batch.images), masks=cut.cut(batch.masks))

    @property
    def _tunes_structure(self) -> bool:
        return self.model.structure is not None and bool(self.settings.tune_structure)

    def _losses(self, batch: Batch) -> Losses:
        first, first_loss = self._first(batch)
        output, part = self._paint(first, batch), self._part(batch)
        self.painted.keep(batch, output.detach())
        truth, masks, window = part.images, part.masks, self._window(part)
        seen, wanted = window.cut(output), window.cut(truth)
        terms = {
            "perceptual": lambda: self.features(seen, wanted).mean(),  # type: ignore[misc]  # there if weighed
            "l1": lambda: l1(output, truth),
            "hole": lambda: hole_l1(output, truth, masks),
            "lpips": lambda: self.perceptual(seen, wanted).mean(),  # type: ignore[misc]
            "adversarial": lambda: self.adversary.fooled(output, masks, window),
            "structure": lambda: first_loss,
        }
        return {name: terms[name]() for name in self.weights}  # a term of weight 0 costs nothing

    def _first(self, batch: Batch) -> tuple[First, Tensor]:
        """The first stage's picture; and where that stage learns too, its own weighted loss, else 0."""
        structure, truth, masks = self.model.structure, batch.images, batch.masks
        if structure is None or not self._tunes_structure:
            with torch.no_grad():  # not in inference mode: what is made there cannot be kept for a backward pass
                return self.model.first(truth, masks), truth.new_zeros(())
        side = structure.image_size
        picture = structure(*shrunk(truth, masks, side)).float()
        if not self.loss.structure:  # a term of weight 0 costs nothing
            return self.model.pasted(picture, truth, masks), truth.new_zeros(())
        ratio = truth.shape[-1] // side
        losses = self.first_terms(picture, F.avg_pool2d(truth, ratio), F.avg_pool2d(masks, ratio))
        loss = torch.stack([self.first_terms.weights[name] * value for name, value in losses.items()]).sum()
        return self.model.pasted(picture, truth, masks), loss

    def _window(self, part: Batch) -> Windows:
        """Where perceptual terms and a patch critic look."""
        return _at_holes(part, self.loss.window)


def _at_holes(batch: Batch, side: int | None) -> Windows:
    """Windows of ``side`` pixels at the holes, at a random part of larger ones; None: the whole pictures."""
    masks = batch.masks
    if side is None or side >= masks.shape[-1]:
        return Windows.whole(len(batch), masks.shape[-1], masks.device)
    return Windows.at(masks, side, batch.draws)


def _adversary(
    critic: Critic | PatchCritic | FeatureCritic | Discriminator,
    gradient_penalty: float,
    perceptual: PerceptualDistance | None,
) -> Wasserstein | Hinge | Logistic:
    """The game that a kind of critic was published with."""
    match critic:
        case Critic():
            return Wasserstein(critic, gradient_penalty)
        case PatchCritic() | FeatureCritic():
            return Hinge(critic, perceptual)
        case Discriminator():
            return Logistic(critic)


def make_trainee(stage: Stage, config: Config, sources: Sources) -> TextureTrainee:
    """A second stage that starts from the weights of ``sources.begin``."""
    recipe = config.texture_for(stage)
    structure = sources.structure(config) if recipe.structure else None
    texture, critic = build_texture(recipe), build_critic(config)
    sources.fill(sources.begin, texture)
    terms, of_first = config.texture_loss, config.structure_loss
    learns = structure is not None and bool(config.train[stage].tune_structure and terms.structure)
    features = load_features(config.feature_backbone) if terms.perceptual else None
    compared = terms.lpips or (learns and of_first.lpips) or isinstance(critic, FeatureCritic)
    lpips = load_perceptual(config.lpips_backbone) if compared else None
    identity = load_identity(config.pretrained.arcface, config.alignment) if learns and of_first.identity else None
    return TextureTrainee(config, stage, structure, texture, critic, features, lpips, identity)
