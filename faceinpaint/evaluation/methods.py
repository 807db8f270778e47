"""The methods an evaluation compares, by name: trained ones from a weights folder, and classical fills."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from faceinpaint.config import Config
from faceinpaint.errors import InputError
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.models.baselines.classical import biharmonic, mean, navier_stokes, telea
from faceinpaint.models.weights import has_weights, load_config
from faceinpaint.names import Precision
from faceinpaint.stages import METHODS as TRAINED
from faceinpaint.stages import TEXTURE_STAGES, Stage

CLASSICAL = {"biharmonic": biharmonic, "navier-stokes": navier_stokes, "telea": telea, "mean": mean}
METHODS = (*TRAINED, *CLASSICAL)

# uint8 pictures (N, S, S, 3) and holes (N, S, S) -> restored uint8 (N, S, S, 3)
Restore = Callable[[np.ndarray, np.ndarray], np.ndarray]


def check_names(names: list[str]) -> tuple[str, ...]:
    """The names, each known and given once, else :class:`InputError`."""
    for name in names:
        if name not in METHODS:
            raise InputError(f"unknown method {name!r}: choose from {', '.join(METHODS)}")
    if len(set(names)) != len(names):
        raise InputError(f"`methods` {','.join(names)} names a method twice")
    return tuple(names)


def available(weights: str | None) -> list[str]:
    """What an evaluation compares unless told: the trained methods whose files are all there, and the classical fills.

    Raises :class:`InputError` for a folder that is not a weights folder.
    """
    if weights is None:
        return list(CLASSICAL)
    config = load_config(weights)
    trained = [name for name, stage in TRAINED.items() if all(has_weights(weights, f) for f in _files(stage, config))]
    return [*trained, *CLASSICAL]


def _files(stage: Stage, config: Config) -> list[Stage]:
    """The stages whose weights restore together."""
    second = stage in TEXTURE_STAGES and config.texture_for(stage).structure
    return [stage, "structure"] if second else [stage]


def load_method(name: str, weights: str | None, device: str = "cpu", precision: Precision = "fp32") -> Restore:
    """The function that restores a batch. Raises :class:`InputError` when its weights are missing or damaged."""
    if name not in CLASSICAL:
        return _load_trained(name, weights, device, precision).restore_batch
    fill = CLASSICAL[name]
    return lambda images, holes: np.stack([fill(image, hole) for image, hole in zip(images, holes, strict=True)])


def weights_sha256(name: str, weights: str | None) -> str | None:
    """Hash of the weights a method restores with; None for a classical fill. Raises as :func:`load_method`."""
    return None if name in CLASSICAL else _load_trained(name, weights).model_sha256


def _load_trained(name: str, weights: str | None, device: str = "cpu", precision: Precision = "fp32") -> Inpainter:
    if weights is None:
        raise InputError(f"method {name} needs `weights`: name their folder")
    return Inpainter.load(weights, name, device, precision)
