"""StructureFlow in our loop, with its own losses (Ren 2019, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faceinpaint.config import Config
from faceinpaint.losses.perceptual import FeatureLoss, load_features
from faceinpaint.losses.reconstruction import l1
from faceinpaint.losses.sampling import sampling_correctness
from faceinpaint.models.baselines.critics import ScaledResidualCritic
from faceinpaint.models.baselines.smooth import relative_total_variation
from faceinpaint.models.baselines.structureflow import StructureFlow
from faceinpaint.stages import Stage
from faceinpaint.training.stages.guided import GuidedTrainee, fooling, judging
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses


class StructureFlowTrainee(GuidedTrainee):
    """Structure guides texture.

    G_s: 4 l1 + adversarial (equation 4). G_t: 5 l1 + 0.25 sampling correctness + adversarial (equation 9). The paper
    trains one after the other. The features of the sampling correctness are those whose size is nearest the flow's.
    """

    def __init__(self, config: Config, model: StructureFlow, features: FeatureLoss):
        recipe = config.structureflow
        self.structure_critic, self.critic = (ScaledResidualCritic(recipe.critic_width) for _ in range(2))
        critics: dict[str, nn.Module] = {"structure_critic": self.structure_critic, "critic": self.critic}
        super().__init__(config, "structureflow", recipe, critics, model)
        self.model, self.features, self.scale = model, features, recipe.scale
        self.frozen = (features,)
        structure_terms, terms = ("structure_l1", "structure_adversarial"), ("l1", "correctness", "adversarial")
        self.phases = [
            self.phase("structure", model.structure, self._structure_losses, *structure_terms),
            self.phase("structure_critic", self.structure_critic, self._structure_critic_losses),
            self.phase("texture", model.texture, self._texture_losses, *terms),
            self.phase("critic", self.critic, self._critic_losses),
        ]

    def _smooth(self, batch: Batch) -> Tensor:
        """The true structure, of the whole pictures."""
        return self.true(batch, lambda: relative_total_variation(batch.images, scale=self.scale))

    def _reconstruct(self, batch: Batch) -> Tensor:
        return self.model.reconstruct(batch.images, batch.masks, self._smooth(batch)).float()

    @torch.no_grad()
    def _made_structure(self, batch: Batch) -> Tensor:
        return self.made(batch, lambda: self._reconstruct(batch))

    def _structure_losses(self, batch: Batch) -> Losses:
        made = self._reconstruct(batch)
        self.made.keep(batch, made.detach())
        return {
            "structure_l1": l1(made, self._smooth(batch)),
            "structure_adversarial": fooling(self.structure_critic(made)),
        }

    def _structure_critic_losses(self, batch: Batch) -> Losses:
        real, fake = (self.structure_critic(each) for each in (self._smooth(batch), self._made_structure(batch)))
        return {"structure_critic_loss": judging(real, fake)}

    def _paint(self, batch: Batch) -> tuple[Tensor, Tensor]:
        structure = self._made_structure(batch) if self.guided else self._smooth(batch)
        picture, flow = self.model.add_texture(batch.images, batch.masks, structure)
        return picture.float(), flow

    def _texture_losses(self, batch: Batch) -> Losses:
        picture, flow = self._paint(batch)
        self.painted.keep(batch, picture.detach())
        with torch.no_grad():
            pairs = zip(self.features.maps(batch.images), self.features.maps(batch.damaged), strict=True)
            truth, source = min(pairs, key=lambda pair: abs(pair[0].shape[2] - flow.shape[2]))
        return {
            "l1": l1(picture, batch.images),
            "correctness": sampling_correctness(truth, source, flow, batch.masks),
            "adversarial": fooling(self.critic(picture)),
        }

    def _critic_losses(self, batch: Batch) -> Losses:
        with torch.no_grad():
            painted = self.painted(batch, lambda: self._paint(batch)[0])
        return {"critic_loss": judging(self.critic(batch.images), self.critic(painted))}


def make_trainee(stage: Stage, config: Config, sources: Sources) -> StructureFlowTrainee:
    model = sources.network(stage, config, StructureFlow)
    return StructureFlowTrainee(config, model, load_features(config.feature_backbone))
