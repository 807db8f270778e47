"""What an evaluation is to do, checked whole before any work."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from faceinpaint.claim import lies_in
from faceinpaint.data.mask_spec import Alpha, Colour, Detected, absolute_masks, parse_masks
from faceinpaint.data.masks import Squares
from faceinpaint.data.splits import read_split
from faceinpaint.data.user_masks import Frame, Polarity
from faceinpaint.errors import InputError
from faceinpaint.evaluation.methods import available, check_names, weights_sha256
from faceinpaint.evaluation.metrics import LEAST_SIDE
from faceinpaint.images import Crop
from faceinpaint.losses.frechet import available_extractor
from faceinpaint.losses.identity import load_identity
from faceinpaint.losses.perceptual import load_perceptual
from faceinpaint.models.find_weights import find_weights
from faceinpaint.models.weights import load_config
from faceinpaint.names import Alignment, Backbone, Convention, FixedPrecision
from faceinpaint.storage import absolute, check_writable

RESULTS_VERSION = 4  # raise it when a method or a metric changes: finished parts of older versions are not reused


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A checked evaluation: sources, sizes, and the names and hashes of all that its figures depend on."""

    data: str
    masks: str
    methods: tuple[str, ...]
    output: str
    size: int  # side of the pictures judged, pixels
    mask_polarity: Polarity | None = None
    mask_frame: Frame = "auto"
    weights: str | None = None
    crop: Crop | None = None
    keys: frozenset[str] | None = None  # entries of a split: judge these pictures only
    convention: Convention = "default"
    lpips_backbone: Backbone = "alex"
    arcface: str | None = None
    alignment: Alignment = "ffhq"  # how faces lie in the pictures, for identity
    precision: FixedPrecision = "fp32"  # of the restoring networks, never of the judging ones
    workers: int | None = None  # 0: this process; None: it judges few pictures, others two workers
    gpus_per_worker: float | None = None  # None: an equal share of those there are
    weights_sha256: dict[str, str | None]  # by method
    perceptual: str  # names of the networks behind the figures
    identity: str
    extractor: str

    @cached_property
    def measure(self) -> str:
        """All that the figures of a restored picture depend on, except the pictures."""
        return "/".join([self.convention, self.perceptual, self.identity, self.alignment, self.extractor])

    def part_uri(self, method: str, batch_sha256: str) -> str:
        """Where the finished rows of one method on one batch lie: a name made of all their inputs."""
        digest = self.weights_sha256.get(method)
        inputs = [str(RESULTS_VERSION), batch_sha256, method, str(digest), self.precision if digest else ""]
        name = hashlib.sha256("\n".join([*inputs, self.measure]).encode()).hexdigest()[:32]
        return f"{self.output}/parts/{method}/{name}.parquet"


def make_plan(
    *,
    data: str,
    masks: str,
    output: str,
    methods: list[str] | None = None,
    weights: str | None = None,
    crop: Crop | None = None,
    size: int | None = None,
    split: str | None = None,
    convention: Convention = "default",
    lpips_backbone: Backbone = "alex",
    arcface: str | None = None,
    **running: Any,
) -> Plan:
    """Check everything that can be checked before work begins.

    ``methods``: None compares all that are :func:`~faceinpaint.evaluation.methods.available`.
    ``running``: other fields of :class:`Plan` (precision, workers, gpus_per_worker, mask_polarity, mask_frame).

    Raises :class:`InputError` for unknown methods, masks or splits, missing or damaged weights, a size that does not
    fit, and an output that cannot be written or lies among the pictures.
    """
    data, masks, output = absolute(data), absolute_masks(masks), absolute(output)
    weights, arcface = weights and find_weights(weights), arcface and absolute(arcface)
    side = _side(weights, size, crop)
    names = check_names(available(weights, side) if methods is None else methods)
    _check(masks, side, convention)
    hashes = {name: weights_sha256(name, weights) for name in names}  # raises where weights are missing
    alignment = load_config(weights).alignment if weights else "ffhq"
    _check_output(output, data)
    return Plan(
        data=data,
        masks=masks,
        methods=names,
        output=output.rstrip("/"),
        size=side,
        weights=weights,
        crop=crop,
        keys=read_split(split) if split else None,
        convention=convention,
        lpips_backbone=lpips_backbone,
        arcface=arcface,
        alignment=alignment,
        weights_sha256=hashes,
        perceptual=load_perceptual(lpips_backbone).backbone,
        identity=load_identity(arcface, alignment).network,
        extractor=available_extractor(),
        **running,
    )


def _check_output(output: str, data: str) -> None:
    if lies_in(output, data):  # the next run would take what it wrote there for pictures
        raise InputError(f"`output` {output} lies in `data` {data}: keep them apart")
    check_writable(output)


def _check(spec: str, side: int, convention: Convention) -> None:
    masks = parse_masks(spec)
    if isinstance(masks, Alpha | Colour | Detected):
        raise InputError(f"`masks` {spec}: such pictures have no original under the hole to judge against")
    if isinstance(masks, Squares):
        masks.check(side)
    if side < LEAST_SIDE[convention]:
        raise InputError(f"`convention` {convention} needs pictures of {LEAST_SIDE[convention]} px, these have {side}")


def _side(weights: str | None, size: int | None, crop: Crop | None) -> int:
    """The weights' picture size, else ``size``, else the crop's side."""
    if weights is not None:
        side = load_config(weights).image_size
        if size not in (None, side):
            raise InputError(f"`size` {size}: the weights in {weights} work on {side} px")
        return side
    if size is None and crop is not None and crop[2] - crop[0] == crop[3] - crop[1]:
        return crop[2] - crop[0]
    if size is None:
        raise InputError(
            "without `weights`, say the size of the pictures to judge: by `size` in pixels or a square `crop`"
        )
    return size
