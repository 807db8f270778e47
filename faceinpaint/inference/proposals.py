"""The table of proposals: one row per input, in Parquet files under OUTPUT/proposals."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceinpaint.encoding import parquet_bytes
from faceinpaint.inference.ledger import DIGESTS, digests
from faceinpaint.storage import exists, join, read_bytes, top_names, write_bytes

SCHEMA_VERSION = 1
ROWS_PER_FILE = 20_000
Status = Literal["proposed", "clean", "unsure", "skipped", "failed"]
ROW = pa.schema(
    [
        ("key", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("hole_ratio", pa.float64()),
        ("confidence", pa.float64()),  # how sure the status is, 0 to 1
        ("parts", pa.int32()),  # regions of the proposed hole
        ("seconds", pa.float64()),
        ("input_sha256", pa.string()),
        ("model_sha256", pa.string()),  # of the detector
        ("schema", pa.int32()),
    ]
)


@dataclass(kw_only=True)
class ProposalRow:
    """One row of the table; the fields are ROW's, None is what is not known.

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


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the detector says of one input. png: the hole, white, as a file (empty: none); sheet: thumbnails."""

    row: ProposalRow
    png: bytes = b""
    sheet: dict[str, np.ndarray] = field(default_factory=dict)


class ProposalTable:
    """The proposals of one output folder; the driver is its only writer. ``counts``: rows by status."""

    def __init__(self, output: str):
        self.folder = join(output, "proposals")
        self.counts: Counter[str] = Counter()
        self._file, self._pending, self._flushed = 0, ROW.empty_table(), 0

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    def open(self) -> np.ndarray:
        """Read what earlier runs wrote; returns the sorted digests of its keys."""
        found = [np.empty(0, DIGESTS)]
        self.counts.clear()
        for name, table in _tables(self.folder):
            self.counts.update(table["status"].to_pylist())
            found.append(digests(table["key"].to_pylist()))
            self._file, self._pending = int(name.removeprefix("part-").removesuffix(".parquet")), table
        self._turn_over()
        self._flushed = self._pending.num_rows
        return np.sort(np.concatenate(found))

    def add(self, rows: list[ProposalRow]) -> None:
        """Take rows in; they are durable after the next :meth:`flush`."""
        self.counts.update(row.status for row in rows)
        self._pending = pa.concat_tables([self._pending, pa.Table.from_pylist([asdict(row) for row in rows], ROW)])
        if self._pending.num_rows >= ROWS_PER_FILE:
            self.flush()
            self._turn_over()

    def flush(self) -> None:
        """Make all rows so far durable; a file appears whole or not at all."""
        if self._pending.num_rows > self._flushed:
            write_bytes(join(self.folder, f"part-{self._file:06d}.parquet"), parquet_bytes(self._pending))
            self._flushed = self._pending.num_rows

    def _turn_over(self) -> None:
        if self._pending.num_rows >= ROWS_PER_FILE:
            self._file, self._pending, self._flushed = self._file + 1, ROW.empty_table(), 0


def read_proposals(output: str) -> list[ProposalRow]:
    """All rows of a detection's output folder, local or s3://; none when there is no table."""
    return [ProposalRow(**row) for _, table in _tables(join(output, "proposals")) for row in table.to_pylist()]


def _tables(folder: str) -> Iterator[tuple[str, pa.Table]]:
    names = sorted(name for name in top_names(folder) if name.endswith(".parquet")) if exists(folder) else []
    for name in names:
        yield name, pq.read_table(io.BytesIO(read_bytes(join(folder, name)))).cast(ROW)
