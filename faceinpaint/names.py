"""Names that users choose from: each set is one type, and :func:`choices` gives its values to a command."""

from __future__ import annotations

from typing import Any, Literal, get_args

FixedPrecision = Literal["fp32", "bf16", "fp16"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]  # auto: bf16 where the device computes in it, else fp32
Alignment = Literal["celeba", "ffhq"]  # how faces lie in a model's pictures
Backbone = Literal["alex", "vgg"]  # network of a perceptual loss
Upsampling = Literal["nearest", "bilinear"]  # from a decoder level to the next
Convention = Literal["default", "edgeconnect", "lama"]  # of figures; see faceinpaint.evaluation.metrics


def choices(names: Any) -> tuple[Any, ...]:
    """The values of one of the types above."""
    return get_args(names)
