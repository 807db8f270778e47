"""The table of proposals: one row per input, in Parquet files under OUTPUT/proposals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from faceinpaint.inference.table import Table, columns_of

SCHEMA_VERSION = 1
Status = Literal["proposed", "clean", "unsure", "skipped", "failed"]


@dataclass(kw_only=True)
class ProposalRow:
    """One row of the table. A field is a column, in this order; None is what is not known.

    confidence: how sure the status is, 0 to 1; parts: regions of the proposed hole; model_sha256: of the detector.
    status: "proposed" has a mask; "clean" and "unsure" have none, and of "unsure" the reason says what was suspected;
    "skipped" and "failed" are inputs that restoration would not take either, for the same reason.
    """

    key: str
    status: Status = "failed"
    reason: str | None = None
    hole_ratio: float | None = None
    confidence: float | None = None
    parts: int | None = None
    seconds: float = 0.0
    input_sha256: str | None = None
    model_sha256: str | None = None
    schema: int = SCHEMA_VERSION
    input_stamp: str | None = None  # changes with the input's file; None where its bytes must be compared


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the detector says of one input. png: the hole, white, as a file (empty: none); sheet: thumbnails."""

    row: ProposalRow
    png: bytes = b""
    sheet: dict[str, np.ndarray] = field(default_factory=dict)


class ProposalTable(Table):
    """The proposals of one output folder."""

    schema = columns_of(ProposalRow)

    def __init__(self, output: str):
        super().__init__(output, "proposals")


def read_proposals(output: str) -> list[ProposalRow]:
    """All rows of a detection's output folder, local or s3://; none when there is no table."""
    return [ProposalRow(**row) for _, table in ProposalTable(output).tables() for row in table.to_pylist()]
