"""A ledger row: what became of one input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal, get_args, get_type_hints

import pyarrow as pa

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.storage import first_line

SCHEMA_VERSION = 2
Status = Literal["restored", "restored-fallback", "skipped", "failed"]
ARROW = {str: pa.string(), Status: pa.string(), float: pa.float64(), int: pa.int32(), bool: pa.bool_()}


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


def blame(error: Exception) -> tuple[Literal["skipped", "failed"], str]:
    """Status and reason of a row whose picture raised ``error``, at the one boundary around a single picture."""
    if isinstance(error, NoPhotographError):
        return "skipped", first_line(error)
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return "failed", kind + first_line(error)


def _arrow_type(hint: object) -> pa.DataType:
    """The column type of a field of type ``hint`` or ``hint | None``."""
    return ARROW[get_args(hint)[0] if type(None) in get_args(hint) else hint]


ROW = pa.schema([(name, _arrow_type(hint)) for name, hint in get_type_hints(LedgerRow).items()])


def to_table(rows: Iterable[LedgerRow]) -> pa.Table:
    """Rows as a table of schema ROW."""
    return pa.Table.from_pylist([asdict(row) for row in rows], ROW)
