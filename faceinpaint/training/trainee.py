"""What the training loop knows of a trainee: its modules, and the phases of one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from faceinpaint.config import StageTraining

Losses = dict[str, Tensor]  # term name -> scalar, unweighted
Measured = dict[str, float]  # of a step: every term by its name, "grad_norm/PHASE" of every phase, and "lr"
Score = Literal["hole_psnr", "psnr", "recall", "precision", "f1", "frechet"]  # of a validation


@dataclass(frozen=True)
class Batch:
    """One worker's samples of one step.

    images (N, 3, S, S) in [-1, 1]; masks (N, 1, S, S), 1 in the hole; draws (N,) in [0, 1): a number per sample, fixed
    by seed, epoch and key, for losses that need chance whatever the number of workers; labels int64 (N, S, S), the
    classes of pixels, where the stage learns from them.
    """

    keys: list[str]
    images: Tensor
    masks: Tensor
    draws: Tensor
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def damaged(self) -> Tensor:
        """The images with their holes grey (0), (N, 3, S, S)."""
        return self.images * (1 - self.masks)

    def part(self, index: int, parts: int) -> Batch:
        """The ``index``-th of ``parts`` micro-batches, as even as can be; the batch itself where it is the only one."""
        if parts == 1:
            return self
        cut = slice(index * len(self) // parts, (index + 1) * len(self) // parts)
        labels = None if self.labels is None else self.labels[cut]
        return Batch(self.keys[cut], self.images[cut], self.masks[cut], self.draws[cut], labels)

    def to(self, device: torch.device, memory_format: torch.memory_format) -> Batch:
        """On a device, the images laid out as told."""
        images = self.images.to(device, non_blocking=True, memory_format=memory_format)
        labels = None if self.labels is None else self.labels.to(device, non_blocking=True)
        return Batch(self.keys, images, self.masks.to(device, non_blocking=True), self.draws.to(device), labels)


@dataclass(frozen=True)
class Phase:
    """One optimiser's turn within a step: minimise the weighted sum of named losses over some modules.

    ``every``: the phase takes part in every N-th step (lazy regularisation), from step ``after`` on.
    """

    name: str
    modules: tuple[nn.Module, ...]
    optimizer: torch.optim.Optimizer
    losses: Callable[[Batch], Losses]
    weights: dict[str, float]
    every: int = 1
    after: int = 0

    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser moves, in its order."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def total(self, losses: Losses) -> Tensor:
        """Weighted sum of the terms. Every term has a weight."""
        return torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()


class Trainee(Protocol):
    """A stage in training.

    modules: what is trained and a checkpoint holds, by name. exported: those of them whose moving averages are kept and
    written as weights. frozen: networks it only looks at. phases: the turns of a step, in order.
    """

    modules: dict[str, nn.Module]
    exported: dict[str, nn.Module]
    frozen: tuple[nn.Module, ...]
    phases: list[Phase]

    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """Finished pictures (N, 3, S, S) for ``batch`` by the averaged modules: for samples and validation."""
        ...

    def before_step(self, progress: float) -> None:
        """Called before every step with the share of the run that is done, in [0, 1)."""
        ...


def adam(
    parameters: Iterable[nn.Parameter], settings: StageTraining, lr: float | None = None, lazy: int = 1
) -> torch.optim.Adam:
    """Adam as the stage's settings say.

    ``lazy``: a regulariser has a turn of its own in every ``lazy``-th step, so that Adam moves ``lazy + 1`` times where
    it moved ``lazy`` times without; lr and betas are lowered to match (Karras 2020, appendix B).
    """
    ratio = lazy / (lazy + 1) if lazy > 1 else 1.0
    beta1, beta2 = settings.betas
    return torch.optim.Adam(
        [p for p in parameters if p.requires_grad], lr=(lr or settings.lr) * ratio, betas=(beta1**ratio, beta2**ratio)
    )
