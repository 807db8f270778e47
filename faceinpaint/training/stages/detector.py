"""The detector stage: learns where damage was drawn onto pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.config import Config, StageTraining
from faceinpaint.models.build import build_detector
from faceinpaint.models.detector import DamageDetector
from faceinpaint.stages import Stage
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses, Phase, adam

WEIGHTS = {"cross_entropy": 1.0, "dice": 0.25}
MARKED = (1.0, -1.0, 1.0)  # magenta, in [-1, 1]: found damage in sample pictures


class DetectorTrainee:
    """L = cross entropy + 0.25 Dice (Milletari 2016), over pixels whose truth is known.

    Batches hold tiles as images, and as masks their truth: 0 clean, 1 damaged, 2 unsure, which counts for nothing.
    """

    def __init__(self, settings: StageTraining, detector: DamageDetector):
        self.detector = detector
        self.modules: dict[str, nn.Module] = {"detector": detector}
        self.exported: dict[str, nn.Module] = {"detector": detector}
        self.frozen: tuple[nn.Module, ...] = ()
        self.phases = [
            Phase("detector", (detector,), adam(detector.parameters(), settings), self._losses, dict(WEIGHTS))
        ]

    def before_step(self, progress: float) -> None:
        """Nothing changes during the run."""

    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """The tiles with what was found in magenta, (N, 3, S, S) in [-1, 1]."""
        found = torch.sigmoid(averaged["detector"](batch.images).float())
        return batch.images + (batch.images.new_tensor(MARKED)[:, None, None] - batch.images) * found

    def _losses(self, batch: Batch) -> Losses:
        logits, known, truth = self.detector(batch.images).float(), batch.masks < 2, batch.masks == 1
        return detection_losses(logits, truth.float(), known.float())


def detection_losses(logits: Tensor, truth: Tensor, known: Tensor) -> Losses:
    """``cross_entropy`` per known pixel, and ``dice``: 1 - 2 |found & truth| / (|found| + |truth|).

    Dice is the mean over damaged tiles, so a scratch counts as much as a stain. 0 when no tile is damaged.
    logits, truth (1: damaged), known (0: the pixel does not count): float (N, 1, H, W).
    """
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    found, truth = torch.sigmoid(logits) * known, truth * known
    common, both = (each.sum((1, 2, 3)) for each in (found * truth, found + truth))
    damaged = truth.amax((1, 2, 3))
    dice = 1 - (2 * common + 1) / (both + 1)
    return {
        "cross_entropy": (entropy * known).sum() / known.sum().clamp(min=1),
        "dice": (dice * damaged).sum() / damaged.sum().clamp(min=1),
    }


def make_trainee(stage: Stage, config: Config, sources: Sources) -> DetectorTrainee:
    detector = build_detector(config)
    sources.fill(stage, detector)
    return DetectorTrainee(config.train[stage], detector)
