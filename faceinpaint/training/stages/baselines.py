"""The compared methods, PConv and RFR, in our loop with their own losses."""

from __future__ import annotations

from torch import Tensor, nn

from faceinpaint.config import Config
from faceinpaint.losses import baselines
from faceinpaint.losses.perceptual import FeatureLoss, load_features
from faceinpaint.losses.reconstruction import hole_l1, valid_l1
from faceinpaint.models.baselines.pconv import PConvUNet
from faceinpaint.models.baselines.rfr import RFRNet
from faceinpaint.models.build import build_network
from faceinpaint.stages import Stage
from faceinpaint.tensors import composite
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses, Phase, adam


class BaselineTrainee:
    """L = valid + 6 hole + 0.05 perceptual + 120 style + 0.1 tv (Liu 2018, equation 7; Li 2020, equation 10).

    Perceptual and style terms are taken at the network's own picture and at the composite. From the share
    ``fine_tune_from`` of the run on, batch norm keeps its statistics.
    """

    def __init__(self, config: Config, stage: Stage, model: PConvUNet | RFRNet, features: FeatureLoss):
        settings = config.train[stage]
        self.stage, self.model, self.features = stage, model, features
        self.fine_tune_from = settings.fine_tune_from
        self.modules: dict[str, nn.Module] = {stage: model}
        self.exported: dict[str, nn.Module] = {stage: model}
        self.frozen: tuple[nn.Module, ...] = (features,)
        optimizer = adam(model.parameters(), settings)
        self.phases = [Phase(stage, (model,), optimizer, self._losses, config.baseline_loss.model_dump())]

    def before_step(self, progress: float) -> None:
        if progress >= self.fine_tune_from:
            self.model.freeze_statistics()

    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """Restored pictures."""
        return averaged[self.stage](batch.images, batch.masks)

    def _losses(self, batch: Batch) -> Losses:
        truth, masks = batch.images, batch.masks
        picture = self.model.paint(truth, masks).float()
        pasted = composite(picture, truth, masks)
        wanted, own, mixed = (self.features.maps(each) for each in (truth, picture, pasted))
        return {
            "valid": valid_l1(picture, truth, masks) / 2,
            "hole": hole_l1(picture, truth, masks) / 2,
            "perceptual": baselines.perceptual(own, wanted) + baselines.perceptual(mixed, wanted),
            "style": baselines.style(own, wanted) + baselines.style(mixed, wanted),
            "tv": baselines.total_variation(pasted, masks) / 2,
        }


def make_trainee(stage: Stage, config: Config, sources: Sources) -> BaselineTrainee:
    model = build_network(config, stage)
    assert isinstance(model, PConvUNet | RFRNet)
    sources.fill(stage, model)
    return BaselineTrainee(config, stage, model, load_features(config.feature_backbone))
