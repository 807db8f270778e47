"""The methods an evaluation compares, by name: trained ones from a weights folder, and classical fills."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from faceinpaint.config import Config
from faceinpaint.errors import InputError
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.models.baselines.classical.coherence import coherence
from faceinpaint.models.baselines.classical.curvature import curvature
from faceinpaint.models.baselines.classical.fragment import fragment
from faceinpaint.models.baselines.classical.photomontage import photomontage
from faceinpaint.models.baselines.classical.quilting import quilting
from faceinpaint.models.baselines.classical.simple import biharmonic, mean, navier_stokes, telea
from faceinpaint.models.weights import has_weights, load_config
from faceinpaint.names import Precision
from faceinpaint.stages import METHODS as TRAINED
from faceinpaint.stages import TEXTURE_STAGES, Method

CLASSICAL = {
    "biharmonic": biharmonic,
    "navier-stokes": navier_stokes,
    "telea": telea,
    "curvature": curvature,
    "coherence": coherence,
    "fragment": fragment,
    "photomontage": photomontage,
    "quilting": quilting,
    "mean": mean,
}
METHODS = (*TRAINED, *CLASSICAL)
SLOW = ("fragment", "latent-optimisation")  # seconds per picture beyond 128 px: compared when named
QUICK_SIDE = 128

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


def available(weights: str | None, size: int | None = None) -> list[str]:
    """What an evaluation compares unless told: the trained methods whose files are all there, and the classical fills.

    ``size``: side of the judged pictures, default the weights'; beyond 128 px what is slow stays out, so that five
    hundred pictures take minutes. Raises :class:`InputError` for a folder that is not a weights folder.
    """
    trained: list[str] = []
    if weights is not None:
        config = load_config(weights)
        size = size or config.image_size
        trained += [method for method in TRAINED if is_there(method, weights, config)]
    quick = size is None or size <= QUICK_SIDE
    return [name for name in (*trained, *CLASSICAL) if quick or name not in SLOW]


def is_there(method: Method, weights: str, config: Config) -> bool:
    """Whether a weights folder, of this ``config``, holds all that a trained method restores with."""
    stage = TRAINED[method]
    second = stage in TEXTURE_STAGES and config.texture_for(stage).structure
    return has_weights(weights, stage) and (not second or has_weights(weights, "structure"))


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
