"""SPG-Net in our loop (Song 2018, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.config import Config
from faceinpaint.losses import adversarial, baselines
from faceinpaint.losses.perceptual import FeatureLoss, load_features
from faceinpaint.losses.reconstruction import hole_l1
from faceinpaint.models.baselines.critics import ScaledFeatureCritic
from faceinpaint.models.baselines.spgnet import SPGNet, one_hot
from faceinpaint.stages import Stage
from faceinpaint.training.stages.guided import GuidedTrainee, fooling, judging
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses


class SPGNetTrainee(GuidedTrainee):
    """Labels guide colours.

    SP-Net: adversarial + 10 feature matching + cross entropy, which is ours: it has to label what lies outside the hole
    too. The share ``labels_given`` of samples comes with labels there. SG-Net: adversarial + 10 perceptual. Critics are
    of least squares (Wang 2018).
    """

    def __init__(self, config: Config, model: SPGNet, features: FeatureLoss):
        recipe = config.spg_net
        critic = lambda channels: ScaledFeatureCritic(channels, recipe.critic_width, recipe.critic_scales)  # noqa: E731
        self.label_critic, self.critic = critic(model.classes), critic(3)
        critics: dict[str, nn.Module] = {"label_critic": self.label_critic, "critic": self.critic}
        super().__init__(config, "spg-net", recipe, critics, model)
        self.model, self.features, self.labels_given = model, features, recipe.labels_given
        self.frozen = (features,)
        label_terms, terms = (
            ("cross_entropy", "label_adversarial", "label_matching"),
            ("adversarial", "perceptual", "l1"),
        )
        self.phases = [
            self.phase("prediction", model.prediction, self._prediction_losses, *label_terms),
            self.phase("label_critic", self.label_critic, self._label_critic_losses),
            self.phase("guidance", model.guidance, self._guidance_losses, *terms),
            self.phase("critic", self.critic, self._critic_losses),
        ]

    def _true_labels(self, batch: Batch) -> Tensor:
        assert batch.labels is not None, "the plan of this stage asks for labels"
        return one_hot(batch.labels, self.model.classes)

    def _predict(self, batch: Batch) -> Tensor:
        """SP-Net's logits (N, classes, S, S), of some samples with labels outside the hole and of some without any."""
        given = batch.draws < self.labels_given
        labels = self._true_labels(batch) * given[:, None, None, None]
        return self.model.predicted(batch.images, batch.masks, labels).float()

    @torch.no_grad()
    def _predicted(self, batch: Batch) -> Tensor:
        return self.made(batch, lambda: self._predict(batch).softmax(1))

    def _prediction_losses(self, batch: Batch) -> Losses:
        logits = self._predict(batch)
        labels = logits.softmax(1)
        self.made.keep(batch, labels.detach())
        scores, features = self.label_critic(labels)
        with torch.no_grad():
            wanted = self.label_critic(self._true_labels(batch))[1]
        assert batch.labels is not None
        return {
            "cross_entropy": F.cross_entropy(logits, batch.labels),
            "label_adversarial": fooling(scores),
            "label_matching": adversarial.feature_matching(features, wanted) / len(scores),
        }

    def _label_critic_losses(self, batch: Batch) -> Losses:
        real, fake = (self.label_critic(each)[0] for each in (self._true_labels(batch), self._predicted(batch)))
        return {"label_critic_loss": judging(real, fake)}

    def _paint(self, batch: Batch) -> Tensor:
        labels = self._predicted(batch) if self.guided else self._true_labels(batch)
        return self.model.guided(batch.images, batch.masks, labels).float()

    def _guidance_losses(self, batch: Batch) -> Losses:
        picture = self._paint(batch)
        self.painted.keep(batch, picture.detach())
        return {
            "adversarial": fooling(self.critic(picture)[0]),
            "perceptual": baselines.perceptual(self.features.maps(picture), self.features.maps(batch.images)),
            "l1": hole_l1(picture, batch.images, batch.masks),
        }

    def _critic_losses(self, batch: Batch) -> Losses:
        with torch.no_grad():
            painted = self.painted(batch, lambda: self._paint(batch))
        return {"critic_loss": judging(self.critic(batch.images)[0], self.critic(painted)[0])}


def make_trainee(stage: Stage, config: Config, sources: Sources) -> SPGNetTrainee:
    model = sources.network(stage, config, SPGNet)
    return SPGNetTrainee(config, model, load_features(config.feature_backbone))
