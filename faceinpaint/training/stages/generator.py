"""The generator stage: StyleGAN2 from scratch on any face set (Karras 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faceinpaint.config import Config
from faceinpaint.losses import adversarial
from faceinpaint.models.build import build_discriminator, build_generator
from faceinpaint.models.stylegan2 import StyleGAN2Generator
from faceinpaint.stages import Stage
from faceinpaint.training.distributed import mean_over_workers
from faceinpaint.training.stages.augment import AdaptiveAugment
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses, Phase, adam


class GeneratorTrainee:
    """Non-saturating logistic loss, lazy R1 and path length, style mixing, adaptive augmentation."""

    def __init__(self, config: Config):
        self.gan, settings = config.gan, config.train["generator"]
        self.generator = build_generator(config)
        self.discriminator = build_discriminator(config)
        self.augment = AdaptiveAugment(self.gan.augment_target, self.gan.augment_speed_pictures)
        self.path_state = nn.Module()
        self.path_state.register_buffer("mean_length", torch.zeros(()))
        self.modules: dict[str, nn.Module] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "augment": self.augment,
            "path_state": self.path_state,
        }
        self.exported: dict[str, nn.Module] = {"generator": self.generator}
        self.frozen: tuple[nn.Module, ...] = ()
        self.batch = settings.batch

        r1_every, path_every = self.gan.r1_every, self.gan.path_every
        d, g = (self.discriminator,), (self.generator,)
        adam_d = adam(self.discriminator.parameters(), settings, settings.critic_lr, r1_every if self.gan.r1 else 1)
        adam_g = adam(self.generator.parameters(), settings, lazy=path_every if self.gan.path_length else 1)
        self.phases = [
            Phase("discriminator", d, adam_d, self._discriminator_losses, {"logistic_d": 1.0}),
            Phase("generator", g, adam_g, self._generator_losses, {"logistic_g": 1.0}),
        ]
        if self.gan.r1:  # weighted up by its interval: a lazy term must count as much as one at every step
            self.phases.append(Phase("r1", d, adam_d, self._r1_losses, {"r1": self.gan.r1 * r1_every}, r1_every))
        if self.gan.path_length:
            weights = {"path_length": self.gan.path_length * path_every}
            self.phases.append(Phase("path", g, adam_g, self._path_losses, weights, path_every))

    def before_step(self, progress: float) -> None:
        self.augment.adapt(self.batch)

    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """Faces of latents that the batch fixes: this stage restores nothing yet."""
        generator = averaged["generator"]
        assert isinstance(generator, StyleGAN2Generator)
        seed = int(batch.draws.double().sum().item() * 2**24)
        z = torch.randn(len(batch), generator.style_dim, generator=torch.Generator().manual_seed(seed))
        return generator(z.to(batch.images.device), noise="const")

    def _fakes(self, count: int) -> tuple[Tensor, Tensor]:
        """Pictures of random latents, some of two mixed styles, and their W+."""
        generator = self.generator
        device = generator.input.input.device
        w = generator.map(torch.randn(2 * count, generator.style_dim, device=device))
        first, second = w[:count, None], w[count:, None]
        # Styles from a random layer on come from the second latent.
        cut = torch.randint(1, generator.n_styles, (count, 1, 1), device=device)
        mixes = torch.rand(count, 1, 1, device=device) < self.gan.style_mixing
        layer = torch.arange(generator.n_styles, device=device)[None, :, None]
        w_plus = torch.where(mixes & (layer >= cut), second, first)
        return generator.synthesize(w_plus, noise="random"), w_plus

    def _discriminator_losses(self, batch: Batch) -> Losses:
        with torch.no_grad():
            fakes, _ = self._fakes(len(batch))
        real = self.discriminator(self.augment(batch.images))
        self.augment.observe(real)
        return {"logistic_d": adversarial.logistic_discriminator(real, self.discriminator(self.augment(fakes)))}

    def _generator_losses(self, batch: Batch) -> Losses:
        fakes, _ = self._fakes(len(batch))
        return {"logistic_g": adversarial.logistic_generator(self.discriminator(self.augment(fakes)))}

    def _r1_losses(self, batch: Batch) -> Losses:
        # Taken at the augmented pictures, which are what the discriminator sees.
        return {"r1": adversarial.r1_penalty(self.discriminator, self.augment(batch.images))}

    def _path_losses(self, batch: Batch) -> Losses:
        fakes, w_plus = self._fakes(max(1, len(batch) // self.gan.path_batch_shrink))
        mean_length = self.path_state.get_buffer("mean_length")
        penalty = adversarial.path_length_penalty(fakes, w_plus, mean_length, torch.randn_like(fakes))
        mean_length.copy_(mean_over_workers(mean_length))
        return {"path_length": penalty}


def make_trainee(stage: Stage, config: Config, sources: Sources) -> GeneratorTrainee:
    trainee = GeneratorTrainee(config)
    sources.fill(stage, trainee.generator)
    return trainee
