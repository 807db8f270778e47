"""The structure stage: the encoder learns to drive the generator (section 3)."""

from __future__ import annotations

from torch import Tensor, nn

from faceinpaint.config import Config, StructureLoss
from faceinpaint.losses.identity import IdentityNetwork, load_identity
from faceinpaint.losses.perceptual import PerceptualDistance, load_perceptual
from faceinpaint.losses.reconstruction import hole_l1, l2, valid_l1
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.two_stage import TwoStage
from faceinpaint.stages import Stage
from faceinpaint.training.stages.sources import Sources
from faceinpaint.training.trainee import Batch, Losses, Phase, adam


class StructureTerms:
    """L_s = L2 + 0.8 L_s-perc + 0.1 L_ID + 6 L_hole + L_valid (section 3.2), on the raw picture of the generator.

    perceptual, identity: needed where their weight is not 0. ``weights``: of the terms that count.
    """

    def __init__(self, loss: StructureLoss, perceptual: PerceptualDistance | None, identity: IdentityNetwork | None):
        self.perceptual, self.identity = perceptual, identity
        self.weights = {name: weight for name, weight in loss.model_dump().items() if weight}

    def __call__(self, picture: Tensor, truth: Tensor, masks: Tensor) -> Losses:
        """Unweighted terms of pictures (N, 3, S, S) in [-1, 1]; masks (N, 1, S, S), 1 in the hole."""
        terms = {
            "l2": lambda: l2(picture, truth),
            "lpips": lambda: self.perceptual(picture, truth).mean(),  # type: ignore[misc]  # there if weighed
            "identity": lambda: self.identity(picture, truth).mean(),  # type: ignore[misc]
            "hole": lambda: hole_l1(picture, truth, masks),
            "valid": lambda: valid_l1(picture, truth, masks),
        }
        return {name: terms[name]() for name in self.weights}  # a term of weight 0 costs nothing


class StructureTrainee:
    """The first stage alone, by :class:`StructureTerms`. The generator is frozen unless ``tune_generator`` is set."""

    def __init__(
        self,
        config: Config,
        structure: StructureReconstructor,
        perceptual: PerceptualDistance | None,
        identity: IdentityNetwork | None,
    ):
        settings = config.train["structure"]
        self.structure, self.match_paste = structure, config.match_paste
        self.terms = StructureTerms(config.structure_loss, perceptual, identity)
        self.modules: dict[str, nn.Module] = {"structure": structure}
        self.exported: dict[str, nn.Module] = {"structure": structure}
        self.frozen: tuple[nn.Module, ...] = tuple(m for m in (perceptual, identity) if m is not None)
        trained: tuple[nn.Module, ...] = (structure.encoder,)
        if settings.tune_generator:
            trained += (structure.decoder,)
        optimizer = adam((p for module in trained for p in module.parameters()), settings)
        self.phases = [Phase("structure", trained, optimizer, self._losses, self.terms.weights)]

    def before_step(self, progress: float) -> None:
        """Nothing changes during the run."""

    def restore(self, batch: Batch, averaged: dict[str, nn.Module]) -> Tensor:
        """The first stage's picture pasted into the holes."""
        structure = averaged["structure"]
        assert isinstance(structure, StructureReconstructor)
        return TwoStage(structure, None, self.match_paste)(batch.images, batch.masks)

    def _losses(self, batch: Batch) -> Losses:
        picture = self.structure(batch.damaged, batch.masks).float()
        return self.terms(picture, batch.images, batch.masks)


def make_trainee(stage: Stage, config: Config, sources: Sources) -> StructureTrainee:
    wanted = config.structure_loss
    identity = load_identity(config.pretrained.arcface, config.alignment) if wanted.identity else None
    perceptual = load_perceptual(config.lpips_backbone) if wanted.lpips else None
    return StructureTrainee(config, sources.structure(config), perceptual, identity)
