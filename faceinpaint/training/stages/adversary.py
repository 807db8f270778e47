"""What the texture stage paints against: a critic, how it learns, and what it tells the painter."""

from __future__ import annotations

import torch
from torch import Tensor

from faceinpaint.losses import adversarial
from faceinpaint.losses.perceptual import PerceptualDistance
from faceinpaint.models.critic import Critic, FeatureCritic, PatchCritic
from faceinpaint.models.stylegan2 import Discriminator
from faceinpaint.models.window import Windows
from faceinpaint.training.trainee import Batch, Losses


class Wasserstein:
    """The paper's (section 4.4): WGAN-GP on whole pictures."""

    def __init__(self, critic: Critic, gradient_penalty: float):
        self.critic = critic
        self.terms = {"critic": 1.0, "gradient_penalty": gradient_penalty}

    def losses(self, batch: Batch, fake: Tensor, seen: Windows) -> Losses:
        real = batch.images
        scores = self.critic(torch.cat([real, fake])).float()
        return {
            "critic": adversarial.wasserstein_critic(scores[: len(batch)], scores[len(batch) :]),
            "gradient_penalty": adversarial.gradient_penalty(self.critic, real, fake, batch.draws),
        }

    def fooled(self, output: Tensor, masks: Tensor, seen: Windows) -> Tensor:
        return adversarial.wasserstein_generator(self.critic(output).float())


class Logistic:
    """StyleGAN2's (Karras 2020): logistic loss on whole pictures and masks; R1 is a phase of its own."""

    def __init__(self, critic: Discriminator):
        self.critic = critic
        self.terms = {"logistic_d": 1.0}

    def losses(self, batch: Batch, fake: Tensor, seen: Windows) -> Losses:
        real, fake = (self._score(each, batch.masks) for each in (batch.images, fake))
        return {"logistic_d": adversarial.logistic_discriminator(real, fake)}

    def fooled(self, output: Tensor, masks: Tensor, seen: Windows) -> Tensor:
        return adversarial.logistic_generator(self._score(output, masks))

    def r1(self, batch: Batch) -> Losses:
        """The critic's squared gradient at real pictures (Mescheder 2018)."""
        return {"r1": adversarial.r1_penalty(lambda pictures: self._score(pictures, batch.masks), batch.images)}

    def _score(self, pictures: Tensor, masks: Tensor) -> Tensor:
        return self.critic(torch.cat([pictures, masks], 1))


class Hinge:
    """SN-PatchGAN's (Yu 2019, section 3.4): every patch of a window at the hole is judged by itself.

    perceptual: whose features a :class:`FeatureCritic` judges; its maps of scores count alike.
    """

    def __init__(self, critic: PatchCritic | FeatureCritic, perceptual: PerceptualDistance | None = None):
        self.critic, self.perceptual = critic, perceptual
        self.terms = {"hinge_d": 1.0}

    def losses(self, batch: Batch, fake: Tensor, seen: Windows) -> Losses:
        masks, n = seen.cut(batch.masks), len(batch)
        pictures = torch.cat([seen.cut(batch.images), seen.cut(fake)])
        scores = self._scores(pictures, torch.cat([masks, masks]))
        return {"hinge_d": torch.stack([adversarial.hinge_discriminator(each[:n], each[n:]) for each in scores]).mean()}

    def fooled(self, output: Tensor, masks: Tensor, seen: Windows) -> Tensor:
        scores = self._scores(seen.cut(output), seen.cut(masks))
        return torch.stack([adversarial.wasserstein_generator(each) for each in scores]).mean()

    def _scores(self, pictures: Tensor, masks: Tensor) -> list[Tensor]:
        if isinstance(self.critic, PatchCritic):
            return [self.critic(pictures, masks).float()]
        assert self.perceptual is not None
        return [each.float() for each in self.critic(pictures, masks, self.perceptual.maps(pictures))]
