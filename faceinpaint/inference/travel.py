"""What travels between the steps of a restoration: a picture examined, painted and finished, and the job's settings."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from faceinpaint.data.faces import Alignment
from faceinpaint.data.marked_holes import Reading
from faceinpaint.data.mask_spec import MaskSpec
from faceinpaint.inference.compose import Plan
from faceinpaint.inference.guide import Guide
from faceinpaint.inference.row import LedgerRow
from faceinpaint.photos.credentials import Credentials
from faceinpaint.photos.photo import Part


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the result for a picture.

    masks and reading: where holes come from; image_size, alignment: of the model; no_face: what happens to a hole
    without a face; as_png: every output is a PNG named after its input; as_rows: outputs are rows of Parquet, not
    files; apart: finished pictures are handed back, not written; keep_masks: holes are kept as OUTPUT/masks/KEY.png;
    credentials: who signs them.
    """

    output: str
    masks: MaskSpec
    reading: Reading = field(default_factory=lambda: Reading(grow="auto"))
    image_size: int
    alignment: Alignment
    no_face: Literal["skip", "classical", "crop"] = "classical"
    as_png: bool = False
    as_rows: bool = False
    apart: bool = False
    keep_masks: bool = False
    credentials: Credentials | None = None
    model_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A picture before the model. A status in ``row`` means that it is done with: nothing else is set then.

    data: the input's bytes; plan: how its holes are to be filled; part: what filling them looks at, None where that is
    to be decoded again; thumbnails: of the picture (before) and its hole.
    """

    row: LedgerRow
    data: bytes = b""
    plan: Plan = field(default_factory=Plan)
    part: Part | None = None
    thumbnails: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Painted:
    """A picture after the model.

    patches: what it made of each of the plan's crops, uint8 (P, S, S, 3); guides: its attention, where it is known;
    errors: its own on the valid pixels of each, float32 (P,), NaN where it is not known.
    """

    examined: Examined
    patches: np.ndarray | None = None
    guides: list[Guide | None] | None = None
    errors: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A picture whose row is complete.

    picture: the encoded file, where outputs are rows of Parquet; sheet: thumbnails for the report, those of a face too.
    """

    row: LedgerRow
    picture: bytes = b""
    sheet: dict[str, np.ndarray] = field(default_factory=dict)


def pack(steps: Sequence[Examined | Painted | Finished]) -> np.ndarray:
    """Pictures as a column of bytes, as they travel between the processes of one run (and nowhere else)."""
    column = np.empty(len(steps), object)
    column[:] = [pickle.dumps(step, pickle.HIGHEST_PROTOCOL) for step in steps]
    return column


def unpack(column: np.ndarray) -> list[Any]:
    """Inverse of :func:`pack`."""
    return [pickle.loads(step) for step in column]
