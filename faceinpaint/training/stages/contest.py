"""A network that restores and the critics it learns against: each takes its turn in a step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faceinpaint.config import StageTraining
from faceinpaint.stages import Stage
from faceinpaint.training.trainee import Batch, Losses, Phase, adam


class ContestTrainee:
    """Base of trainees with critics; a subclass gives both sides' losses.

    network: restores images and masks. critics: by the name that checkpoints know them by. weights, critic_weights: of
    the terms of :meth:`losses` and :meth:`critic_losses`. critic_steps: turns of the critics before the network's.
    """

    def __init__(
        self,
        stage: Stage,
        settings: StageTraining,
        network: nn.Module,
        critics: dict[str, nn.Module],
        weights: dict[str, float],
        critic_weights: dict[str, float],
        critic_steps: int = 1,
    ):
        self.stage = stage
        self.modules: dict[str, nn.Module] = {stage: network, **critics}
        self.exported: dict[str, nn.Module] = {stage: network}
        self.frozen: tuple[nn.Module, ...] = ()
        parameters = (p for critic in critics.values() for p in critic.parameters())
        optimizer = adam(parameters, settings, settings.critic_lr)
        turn = Phase("critic", tuple(critics.values()), optimizer, self.critic_losses, critic_weights)
        optimizer = adam(network.parameters(), settings)
        last = Phase(stage, (network,), optimizer, self.losses, weights, after=settings.critic_first)
        self.phases = [*[turn] * critic_steps, last]

    def losses(self, batch: Batch) -> Losses:
        """The network's terms, unweighted."""
        raise NotImplementedError

    def critic_losses(self, batch: Batch) -> Losses:
        """The critics' terms, unweighted."""
        raise NotImplementedError

    def before_step(self, progress: float) -> None:
        """Nothing changes during the run."""

    @torch.no_grad()
    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """Restored pictures."""
        return averaged[self.stage](batch.images, batch.masks)
