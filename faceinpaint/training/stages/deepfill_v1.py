"""DeepFill v1's stage: discounted L1, and WGAN-GP critics of the picture and of its hole (Yu 2018, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from faceinpaint.config import Config
from faceinpaint.losses import adversarial
from faceinpaint.losses.baselines import discount, masked_l1
from faceinpaint.models.baselines.deepfill import DeepFill
from faceinpaint.models.baselines.deepfill_critics import DenseCritic
from faceinpaint.models.window import Windows
from faceinpaint.stages import Stage
from faceinpaint.tensors import composite
from faceinpaint.training.stages.contest import ContestTrainee
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses


class DeepFillV1Trainee(ContestTrainee):
    """L = 1.2 (hole + valid) + 0.001 L_adv, the pixel terms of the coarse picture 1.2 times as heavy (Yu 2018's code).

    hole: L1 discounted by the distance to known pixels; valid: L1 outside the hole, both per pixel. Critics see
    composites: one the picture, one a window at the hole of half the side (the paper's holes are squares that fit it;
    of a larger hole it sees a random part). They take their turns on one batch, where the authors' take five.
    """

    def __init__(
        self, config: Config, stage: Stage, network: DeepFill, critic: DenseCritic, window_critic: DenseCritic
    ):
        self.part = part = config.deepfill_v1
        self.network, self.critic, self.window_critic = network, critic, window_critic
        pixels = {"hole": part.hole, "valid": part.valid}
        coarse = {f"coarse_{name}": weight * part.coarse for name, weight in pixels.items()}
        critic_weights = {"critic": 1.0, "window_critic": 1.0, "gradient_penalty": part.gradient_penalty}
        super().__init__(
            stage,
            config.train[stage],
            network,
            {"critic": critic, "window_critic": window_critic},
            {**pixels, **coarse, "adversarial": part.adversarial},
            critic_weights,
            part.critic_steps,
        )

    def losses(self, batch: Batch) -> Losses:
        truth, masks = batch.images, batch.masks
        coarse, picture = (each.float() for each in self.network.paint(truth, masks))
        discounted, known = discount(masks, self.part.gamma), 1 - masks
        pasted, window = composite(picture, truth, masks), self._window(batch)
        scores = self.critic(pasted).float() + self.window_critic(window.cut(pasted)).float()
        return {
            "hole": masked_l1(picture, truth, discounted),
            "valid": masked_l1(picture, truth, known),
            "coarse_hole": masked_l1(coarse, truth, discounted),
            "coarse_valid": masked_l1(coarse, truth, known),
            "adversarial": adversarial.wasserstein_generator(scores),
        }

    def critic_losses(self, batch: Batch) -> Losses:
        real, masks, draws, cut = batch.images, batch.masks, batch.draws, self._window(batch).cut
        with torch.no_grad():
            fake = self.network(real, masks)
        critic, penalty = _judged(self.critic, real, fake, masks, draws)
        window_critic, window_penalty = _judged(self.window_critic, cut(real), cut(fake), cut(masks), draws)
        return {"critic": critic, "window_critic": window_critic, "gradient_penalty": penalty + window_penalty}

    def _window(self, batch: Batch) -> Windows:
        return Windows.at(batch.masks, batch.masks.shape[-1] // 2, batch.draws)


def _judged(critic: DenseCritic, real: Tensor, fake: Tensor, mask: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
    """One critic's term, and the penalty of its gradient in the hole."""
    term = adversarial.wasserstein_critic(critic(real).float(), critic(fake).float())
    return term, adversarial.gradient_penalty(critic, real, fake, mix, mask)


def make_trainee(stage: Stage, config: Config, sources: Sources) -> DeepFillV1Trainee:
    part, side = config.deepfill_v1, config.image_size
    network = sources.network(stage, config, DeepFill)
    critics = (DenseCritic(part.critic_widths, side), DenseCritic(part.window_widths, side // 2))
    return DeepFillV1Trainee(config, stage, network, *critics)
