"""A ledger row: what became of one input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.inference.table import columns_of
from faceinpaint.storage import first_line

SCHEMA_VERSION = 2
Status = Literal["restored", "restored-fallback", "skipped", "failed"]


@dataclass(slots=True, kw_only=True)
class LedgerRow:
    """One row of the ledger. The steps fill it in; None is what is not known, or not yet.

    A field is a column, in this order. A status means that the input is done with.
    """

    key: str
    status: Status | None = None
    reason: str | None = None
    input_sha256: str | None = None
    mask_sha256: str | None = None
    output: str | None = None  # path relative to OUTPUT
    output_sha256: str | None = None  # of the picture's encoded bytes
    hole_ratio: float | None = None
    hole_grown: int | None = None  # pixels of the hole that were not marked
    faces: int | None = None
    route: str | None = None  # how its holes were filled, and how many each way
    confidence: float | None = None  # 0 to 1, see faceinpaint.inference.confidence
    seam_error: float | None = None  # mean step across the hole's edge, levels of 255
    fidelity: str | None = None  # exact, blocks, or "recoded: " and why: what else than the hole moved
    dropped: str | None = None  # what the file no longer says, and why
    seconds: float = 0.0
    model_sha256: str | None = None
    schema: int = SCHEMA_VERSION
    input_stamp: str | None = None  # changes with the input's file; None where its bytes must be compared
    mask_stamp: str | None = None  # likewise with the mask's
    gone: bool = False  # the input is no longer there: the row tells what became of it


ROW = columns_of(LedgerRow)


def blame(error: Exception) -> tuple[Literal["skipped", "failed"], str]:
    """Status and reason of a row whose picture raised ``error``, at the one boundary around a single picture."""
    if isinstance(error, NoPhotographError):
        return "skipped", first_line(error)
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return "failed", kind + first_line(error)


def doubt(row: LedgerRow) -> float:
    """How much a restored row deserves a look before the report knows more: what is not trusted, and a visible seam."""
    unsure = (row.hole_ratio or 0.0) if row.confidence is None else 1 - row.confidence
    return unsure + (row.seam_error or 0.0) / 256
