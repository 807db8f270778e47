"""The texture stage and its ablations: gated convolutions refine the first stage's picture (section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faceinpaint.config import Config
from faceinpaint.losses import adversarial
from faceinpaint.losses.perceptual import FeatureLoss, PerceptualDistance
from faceinpaint.losses.reconstruction import hole_l1, l1
from faceinpaint.models.critic import Critic
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.texture import TextureGenerator
from faceinpaint.models.two_stage import TwoStage
from faceinpaint.training.trainee import Batch, Losses, Phase, adam


class TextureTrainee:
    """L_T = 10 L_t-perc + L_adv + 100 L1 with a WGAN-GP critic (section 4.4).

    stage: "texture", "variant-1" or "variant-2". structure: the trained first stage, frozen; None for variant 1.
    perceptual: needed where ``texture_loss.lpips`` is not 0.
    """

    def __init__(
        self,
        config: Config,
        stage: str,
        structure: StructureReconstructor | None,
        texture: TextureGenerator,
        critic: Critic,
        features: FeatureLoss,
        perceptual: PerceptualDistance | None,
    ):
        settings = config.train[stage]  # type: ignore[index]  # stage is one of the texture stages
        weights = config.texture_loss
        self.stage, self.critic, self.features, self.perceptual = stage, critic, features, perceptual
        self.model = TwoStage(structure, texture)
        self.modules: dict[str, nn.Module] = {stage: texture}
        self.exported: dict[str, nn.Module] = {stage: texture}
        self.frozen: tuple[nn.Module, ...] = (features,)
        if perceptual is not None:
            self.frozen += (perceptual,)
        if structure is not None:
            self.frozen += (structure.eval().requires_grad_(False),)
        self.phases = []
        terms = {"perceptual": weights.perceptual, "l1": weights.l1, "hole": weights.hole, "lpips": weights.lpips}
        if weights.adversarial:
            self.modules["critic"] = critic
            judge = adam(critic.parameters(), settings, settings.critic_lr)
            critic_weights = {"critic": 1.0, "gradient_penalty": weights.gradient_penalty}
            self.phases.append(Phase("critic", (critic,), judge, self._critic_losses, critic_weights))
            terms["adversarial"] = weights.adversarial
        self.weights = {name: weight for name, weight in terms.items() if weight}
        paint = adam(texture.parameters(), settings)
        self.phases.append(Phase(stage, (texture,), paint, self._losses, self.weights))

    def before_step(self, progress: float) -> None:
        """Nothing changes during the run."""

    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """Pictures restored by both stages."""
        texture = averaged[self.stage]
        assert isinstance(texture, TextureGenerator)
        return TwoStage(self.model.structure, texture)(batch.images, batch.masks)

    def _critic_losses(self, batch: Batch) -> Losses:
        with torch.no_grad():
            fake = self.model(batch.images, batch.masks)
        real = batch.images
        scores = self.critic(torch.cat([real, fake])).float()
        penalty = adversarial.gradient_penalty(self.critic, real, fake, batch.draws)
        return {
            "critic": adversarial.wasserstein_critic(scores[: len(batch)], scores[len(batch) :]),
            "gradient_penalty": penalty,
        }

    def _losses(self, batch: Batch) -> Losses:
        truth = batch.images
        with torch.no_grad():
            first = self.model.first(truth, batch.masks)
        output = self.model.second(first, truth, batch.masks)
        terms = {
            "perceptual": lambda: self.features(output, truth).mean(),
            "l1": lambda: l1(output, truth),
            "hole": lambda: hole_l1(output, truth, batch.masks),
            "lpips": lambda: self.perceptual(output, truth).mean(),  # type: ignore[misc]  # weighed only when given
            "adversarial": lambda: adversarial.wasserstein_generator(self.critic(output).float()),
        }
        return {name: terms[name]() for name in self.weights}  # a term of weight 0 costs nothing
