"""Which pictures a detection that goes on must look at again: those that are others now.

A person's work stays: a mask that somebody decided about, or brought for a picture that the detector had left alone.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceinpaint.data.places import list_keys
from faceinpaint.inference.audit import compare_bytes
from faceinpaint.inference.proposals import ProposalTable
from faceinpaint.inference.review_sheet import ReviewSheet
from faceinpaint.inference.way import Way
from faceinpaint.storage import delete, exists, join, read_bytes, top_names

NAMED = 3  # keys in a line


@dataclass(frozen=True, kw_only=True)
class Again:
    """Keys of changed inputs. fresh: to be looked at again; kept: a person's, whose rows and masks stay."""

    fresh: frozenset[str]
    kept: frozenset[str]

    def __str__(self) -> str:
        lines = [f"inputs since the last run: {len(self.fresh)} changed: done again"] if self.fresh else []
        if self.kept:
            named = ", ".join(sorted(self.kept)[:NAMED]) + (", ..." if len(self.kept) > NAMED else "")
            lines.append(
                f"{len(self.kept)} changed, but their masks are a person's and stay: {named}; look at them again"
            )
        return "\n".join(lines)


def bring_up_to_date(output: str, source: str, table: ProposalTable, sheet: ReviewSheet, way: Way) -> Again:
    """Take away the rows and proposed masks of inputs that have changed; returns what was found."""
    found: dict[str, Any] = way.call(_unsure, source, table)
    changes = compare_bytes(way, set(), set(), found)
    decided = _decided(output) if changes.changed else set()
    kept = frozenset(key for key in changes.changed if key in decided or _is_brought(output, found[key][0]))
    again = Again(fresh=changes.changed - kept, kept=kept)
    sheet.forget(again.fresh)
    for key in again.fresh:
        if found[key][0]["status"] == "proposed":
            with suppress(FileNotFoundError, NotADirectoryError):
                delete(_mask(output, key))
    if again.fresh or changes.stamps:
        table.revise(
            partial(_revised, fresh=again.fresh, stamps=changes.stamps)
        )  # last: until then a row promises a mask
    return again


def _unsure(source: str, table: ProposalTable) -> dict[str, Any]:
    """(row, stamp now) by key of the inputs that may have changed. Inputs that are gone have no part in it."""
    columns = ["key", "status", "input_stamp", "input_sha256"]
    rows = {row["key"]: row | {"gone": False} for _, part in table.tables(columns) for row in part.to_pylist()}
    return {
        key: (rows[key], stamp)
        for key, stamp in list_keys(source)
        if key in rows and (stamp is None or stamp != rows[key]["input_stamp"])
    }


def _decided(output: str) -> set[str]:
    """Keys that a person ever decided about, on the page of faceinpaint serve."""
    folder = join(output, "decisions")
    names = [name for name in top_names(folder) if name.endswith(".parquet")] if exists(folder) else []
    tables = (pq.read_table(io.BytesIO(read_bytes(join(folder, name))), columns=["key"]) for name in names)
    return {key for table in tables for key in table["key"].to_pylist()}


def _is_brought(output: str, row: dict[str, Any]) -> bool:
    """Whether there is a mask that the detector did not propose."""
    return row["status"] in ("clean", "unsure") and exists(_mask(output, row["key"]))


def _mask(output: str, key: str) -> str:
    return join(output, "masks", f"{key}.png")


def _revised(table: pa.Table, fresh: frozenset[str], stamps: dict[str, str | None]) -> pa.Table:
    """A file's rows as they should be now; the same table where nothing concerns it."""
    table = table.filter(pc.invert(pc.is_in(table["key"], value_set=pa.array(sorted(fresh), pa.string()))))
    keys = table["key"].to_pylist()
    if not stamps.keys() & set(keys):
        return table
    now = [stamps.get(key, stamp) for key, stamp in zip(keys, table["input_stamp"].to_pylist(), strict=True)]
    place = table.column_names.index("input_stamp")
    return table.set_column(place, table.schema.field(place), pa.array(now, pa.string()))
