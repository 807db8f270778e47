"""The context encoder's stage: whole pictures by squared error and a discriminator (Pathak 2016, section 3.2)."""

from __future__ import annotations

import torch

from faceinpaint.config import Config
from faceinpaint.losses import adversarial
from faceinpaint.losses.reconstruction import l2
from faceinpaint.models.baselines.context_encoder import ContextCritic, ContextEncoder
from faceinpaint.stages import Stage
from faceinpaint.training.stages.contest import ContestTrainee
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses


class ContextEncoderTrainee(ContestTrainee):
    """L = 0.999 L2 + 0.001 L_adv (Pathak 2016, equation 3), both of the network's whole picture.

    The paper masks L2 to the hole; its code for random regions, which this follows, takes the whole picture.
    """

    def __init__(self, config: Config, stage: Stage, network: ContextEncoder, critic: ContextCritic):
        self.network, self.critic = network, critic
        part = config.context_encoder
        weights = {"l2": part.l2, "adversarial": part.adversarial}
        super().__init__(stage, config.train[stage], network, {"critic": critic}, weights, {"logistic_d": 1.0})

    def losses(self, batch: Batch) -> Losses:
        picture = self.network.paint(batch.images, batch.masks).float()
        return {
            "l2": l2(picture, batch.images),
            "adversarial": adversarial.logistic_generator(self.critic(picture).float()),
        }

    def critic_losses(self, batch: Batch) -> Losses:
        with torch.no_grad():
            fake = self.network.paint(batch.images, batch.masks).float()
        real_scores, fake_scores = self.critic(batch.images).float(), self.critic(fake).float()
        return {"logistic_d": adversarial.logistic_discriminator(real_scores, fake_scores)}


def make_trainee(stage: Stage, config: Config, sources: Sources) -> ContextEncoderTrainee:
    network = sources.network(stage, config, ContextEncoder)
    critic = ContextCritic(config.context_encoder.critic_width, config.context_encoder.layers_for(config.image_size))
    return ContextEncoderTrainee(config, stage, network, critic)
