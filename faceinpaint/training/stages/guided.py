"""What trains a method of two networks, of which the first tells the second what to paint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from faceinpaint.config import Config
from faceinpaint.config_part import StagePart
from faceinpaint.losses import adversarial
from faceinpaint.stages import Stage
from faceinpaint.training.stages.once import Once
from faceinpaint.training.trainee import Batch, Losses, Phase, adam


class GuidedTrainee:
    """Both networks learn in every step, each with its critic; neither gets a gradient from the other.

    Up to the share ``recipe.guided_from`` of the run the second follows what is true, then what the first made
    (``guided``). What a network made in its own turn is what its critic learns from next.
    """

    phases: list[Phase]

    def __init__(
        self, config: Config, stage: Stage, recipe: StagePart, critics: dict[str, nn.Module], model: nn.Module
    ):
        self.stage, self.settings, self.weights = stage, config.train[stage], recipe.model_dump()
        self.guided = False
        self.modules: dict[str, nn.Module] = {stage: model, **critics}
        self.exported: dict[str, nn.Module] = {stage: model}
        self.frozen: tuple[nn.Module, ...] = ()
        self.true, self.made, self.painted = Once(), Once(), Once()  # what the first learns, and what each network made

    def phase(self, name: str, module: nn.Module, losses: Callable[[Batch], Losses], *terms: str) -> Phase:
        """A network's turn with ``terms`` that the recipe weighs; without any, a critic's with its ``NAME_loss``."""
        weights: dict[str, Any] = {term: self.weights[term] for term in terms} or {f"{name}_loss": 1.0}
        lr = None if terms else self.settings.critic_lr
        return Phase(name, (module,), adam(module.parameters(), self.settings, lr), losses, weights)

    def before_step(self, progress: float) -> None:
        self.guided = progress >= self.weights["guided_from"]
        for each in (self.true, self.made, self.painted):
            each.forget()

    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """Restored pictures, of images and masks alone."""
        return averaged[self.stage](batch.images, batch.masks)


def judging(real: Iterable[Tensor], fake: Iterable[Tensor]) -> Tensor:
    """A critic's least-squares loss, the mean over its scales."""
    pairs = zip(real, fake, strict=True)
    return torch.stack([adversarial.least_squares_critic(a.float(), b.float()) for a, b in pairs]).mean()


def fooling(fake: Iterable[Tensor]) -> Tensor:
    """A generator's least-squares loss, the mean over the critic's scales."""
    return torch.stack([adversarial.least_squares_generator(each.float()) for each in fake]).mean()
