"""DeepFill v2's stage: L1 and SN-PatchGAN (Yu 2019, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from faceinpaint.config import Config
from faceinpaint.losses import adversarial
from faceinpaint.losses.reconstruction import l1
from faceinpaint.models.baselines.deepfill import DeepFill
from faceinpaint.models.baselines.deepfill_critics import PatchGAN
from faceinpaint.stages import Stage
from faceinpaint.tensors import composite
from faceinpaint.training.stages.contest import ContestTrainee
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses


class DeepFillV2Trainee(ContestTrainee):
    """L = L1 of the refined and of the coarse picture + L_adv (Yu 2019, section 3.3), weighted 1:1:1.

    The critic sees composite and mask. Its hinge loss is the paper's equation 4; the authors' code takes half of it.
    """

    def __init__(self, config: Config, stage: Stage, network: DeepFill, critic: PatchGAN):
        self.network, self.critic = network, critic
        part = config.deepfill_v2
        weights = {"l1": part.l1, "coarse_l1": part.coarse_l1, "adversarial": part.adversarial}
        super().__init__(stage, config.train[stage], network, {"critic": critic}, weights, {"hinge": 1.0})

    def losses(self, batch: Batch) -> Losses:
        coarse, picture = (each.float() for each in self.network.paint(batch.images, batch.masks))
        scores = self._scores(composite(picture, batch.images, batch.masks), batch.masks)
        return {
            "l1": l1(picture, batch.images),
            "coarse_l1": l1(coarse, batch.images),
            "adversarial": adversarial.wasserstein_generator(scores),
        }

    def critic_losses(self, batch: Batch) -> Losses:
        with torch.no_grad():
            fake = self.network(batch.images, batch.masks)
        scores = self._scores(torch.cat([batch.images, fake]), torch.cat([batch.masks, batch.masks]))
        return {"hinge": adversarial.hinge_discriminator(*scores.chunk(2))}

    def _scores(self, pictures: Tensor, masks: Tensor) -> Tensor:
        return self.critic(torch.cat([pictures, masks], 1)).float()


def make_trainee(stage: Stage, config: Config, sources: Sources) -> DeepFillV2Trainee:
    network = sources.network(stage, config, DeepFill)
    return DeepFillV2Trainee(config, stage, network, PatchGAN(config.deepfill_v2.critic_widths))
