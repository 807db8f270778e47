"""A part of the configuration for each compared method: sizes of its networks, weights of its losses.

Defaults are the paper's. A new part is a :class:`~faceinpaint.config_part.StagePart`, and a field of ``Config``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from faceinpaint.config_part import Part, Positive


class PConvConfig(Part):
    """Partial-convolution U-Net (Liu 2018)."""

    width: Positive = 64  # channels of the first layer; doubled up to 8 x
    layers: Annotated[int, Field(ge=3, le=8)] = 8  # encoder layers, each of stride 2; the paper's eight suit 256+ px


class RFRConfig(Part):
    """Recurrent feature reasoning (Li 2020)."""

    width: Positive = 64
    recurrences: Positive = 6
