"""The structure stage: the encoder learns to drive the generator (section 3)."""

from __future__ import annotations

from torch import Tensor, nn

from faceinpaint.config import Config
from faceinpaint.losses.identity import IdentityNetwork
from faceinpaint.losses.perceptual import PerceptualDistance
from faceinpaint.losses.reconstruction import hole_l1, l2, valid_l1
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.two_stage import TwoStage
from faceinpaint.training.trainee import Batch, Losses, Phase, adam


class StructureTrainee:
    """L_s = L2 + 0.8 L_s-perc + 0.1 L_ID + 6 L_hole + L_valid (section 3.2), on the raw picture of the generator.

    The generator is frozen unless ``tune_generator`` is set.
    """

    def __init__(
        self,
        config: Config,
        structure: StructureReconstructor,
        perceptual: PerceptualDistance,
        identity: IdentityNetwork,
    ):
        settings = config.train["structure"]
        self.structure, self.perceptual, self.identity = structure, perceptual, identity
        self.modules: dict[str, nn.Module] = {"structure": structure}
        self.exported: dict[str, nn.Module] = {"structure": structure}
        self.frozen: tuple[nn.Module, ...] = (perceptual, identity)
        trained: tuple[nn.Module, ...] = (structure.encoder,)
        if settings.tune_generator:
            trained += (structure.decoder,)
        optimizer = adam((p for module in trained for p in module.parameters()), settings)
        weights = config.structure_loss
        self.weights = {name: weight for name, weight in weights.model_dump().items() if weight}
        self.phases = [Phase("structure", trained, optimizer, self._losses, self.weights)]

    def before_step(self, progress: float) -> None:
        """Nothing changes during the run."""

    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """The first stage's picture pasted into the holes."""
        structure = averaged["structure"]
        assert isinstance(structure, StructureReconstructor)
        return TwoStage(structure, None)(batch.images, batch.masks)

    def _losses(self, batch: Batch) -> Losses:
        picture, truth = self.structure(batch.damaged).float(), batch.images
        terms = {
            "l2": lambda: l2(picture, truth),
            "lpips": lambda: self.perceptual(picture, truth).mean(),
            "identity": lambda: self.identity(picture, truth).mean(),
            "hole": lambda: hole_l1(picture, truth, batch.masks),
            "valid": lambda: valid_l1(picture, truth, batch.masks),
        }
        return {name: terms[name]() for name in self.weights}  # a term of weight 0 costs nothing
