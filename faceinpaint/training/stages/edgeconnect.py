"""EdgeConnect in our loop, with its own losses (Nazeri 2019, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faceinpaint.config import Config
from faceinpaint.losses import adversarial, baselines
from faceinpaint.losses.perceptual import FeatureLoss, load_features
from faceinpaint.models.baselines.canny import canny_edges, grey_of
from faceinpaint.models.baselines.critics import FeatureCritic
from faceinpaint.models.baselines.edgeconnect import EdgeConnect, joined
from faceinpaint.stages import Stage
from faceinpaint.training.stages.guided import GuidedTrainee
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses


class EdgeConnectTrainee(GuidedTrainee):
    """Edges guide colours.

    G1: adversarial + 10 feature matching (equation 2). G2: l1 + 0.1 adversarial + 0.1 perceptual + 250 style (equation
    10), each picture's l1 over its hole's share. The paper trains one after the other, and its features are VGG19's.
    """

    def __init__(self, config: Config, model: EdgeConnect, features: FeatureLoss):
        recipe = config.edgeconnect
        self.edge_critic, self.critic = FeatureCritic(2, recipe.critic_width), FeatureCritic(3, recipe.critic_width)
        critics: dict[str, nn.Module] = {"edge_critic": self.edge_critic, "critic": self.critic}
        super().__init__(config, "edgeconnect", recipe, critics, model)
        self.model, self.features, self.sigma = model, features, recipe.sigma
        self.frozen = (features,)
        edge_terms, terms = ("edge_adversarial", "feature_matching"), ("l1", "adversarial", "perceptual", "style")
        self.phases = [
            self.phase("edges", model.edges, self._edge_losses, *edge_terms),
            self.phase("edge_critic", self.edge_critic, self._edge_critic_losses),
            self.phase("completion", model.completion, self._completion_losses, *terms),
            self.phase("critic", self.critic, self._critic_losses),
        ]

    def _edges(self, batch: Batch) -> Tensor:
        """Canny's, of the whole pictures."""
        return self.true(batch, lambda: canny_edges(batch.images, self.sigma))

    def _draw(self, batch: Batch) -> Tensor:
        return self.model.draw_edges(batch.images, batch.masks, self._edges(batch)).float()

    @torch.no_grad()
    def _drawn_edges(self, batch: Batch) -> Tensor:
        return self.made(batch, lambda: self._draw(batch))

    def _edge_losses(self, batch: Batch) -> Losses:
        drawn, grey = self._draw(batch), grey_of(batch.images)
        self.made.keep(batch, drawn.detach())
        logits, features = self.edge_critic(torch.cat([grey, drawn], 1))
        with torch.no_grad():
            wanted = self.edge_critic(torch.cat([grey, self._edges(batch)], 1))[1]
        return {
            "edge_adversarial": adversarial.logistic_generator(logits.float()),
            "feature_matching": adversarial.feature_matching(features, wanted),
        }

    def _edge_critic_losses(self, batch: Batch) -> Losses:
        grey = grey_of(batch.images)
        real, fake = (
            self.edge_critic(torch.cat([grey, edges], 1))[0].float()
            for edges in (self._edges(batch), self._drawn_edges(batch))
        )
        return {"edge_critic_loss": adversarial.logistic_discriminator(real, fake) / 2}

    def _paint(self, batch: Batch) -> Tensor:
        edges = self._edges(batch)
        if self.guided:
            edges = joined(self._drawn_edges(batch), edges, batch.masks)
        return self.model.complete(batch.images, batch.masks, edges).float()

    def _completion_losses(self, batch: Batch) -> Losses:
        truth, masks, picture = batch.images, batch.masks, self._paint(batch)
        self.painted.keep(batch, picture.detach())
        own, wanted = self.features.maps(picture), self.features.maps(truth)
        inside = [self.features.maps((each + 1) * masks - 1) for each in (picture, truth)]  # black outside the hole
        share = masks.mean((1, 2, 3)).clamp(min=1e-3)
        return {
            "l1": ((picture - truth).abs().mean((1, 2, 3)) / 2 / share).mean(),  # of pictures in [0, 1]
            "adversarial": adversarial.logistic_generator(self.critic(picture)[0].float()),
            "perceptual": baselines.perceptual(own, wanted),
            "style": baselines.style(*inside),
        }

    def _critic_losses(self, batch: Batch) -> Losses:
        with torch.no_grad():
            painted = self.painted(batch, lambda: self._paint(batch))
        real, fake = (self.critic(each)[0].float() for each in (batch.images, painted))
        return {"critic_loss": adversarial.logistic_discriminator(real, fake) / 2}


def make_trainee(stage: Stage, config: Config, sources: Sources) -> EdgeConnectTrainee:
    model = sources.network(stage, config, EdgeConnect)
    return EdgeConnectTrainee(config, model, load_features(config.feature_backbone))
