"""The ledger: one row per input, and exactly one, in Parquet files under OUTPUT/ledger.

The driver is its only writer. Rows gather in the newest file, which is written anew at every flush until it is full, so
that there are few files however often it is flushed; a file appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceinpaint.encoding import parquet_bytes
from faceinpaint.inference.row import ROW, LedgerRow, to_table
from faceinpaint.storage import delete, exists, join, read_bytes, top_names, write_bytes

ROWS_A_FILE = 20_000  # a file is full from here on
DIGEST_BYTES = 16
DIGESTS = f"S{DIGEST_BYTES}"


GONE = "gone"  # beside the statuses, in counts
GONE_NOTE = "the input is no longer there"


class Ledger:
    """The ledger of one output folder. ``counts``: rows by status, those of earlier runs included; those of inputs that
    are gone are counted apart, as GONE."""

    def __init__(self, output: str, folder: str = "ledger"):
        self.folder = join(output, folder)
        self.counts: Counter[str] = Counter()
        self._file, self._pending = 0, ROW.empty_table()
        self._flushed = 0

    def open(self, drop_failed: bool = False) -> np.ndarray:
        """Read what earlier runs wrote; returns the sorted digests (:func:`digests`) of its keys.

        ``drop_failed``: rows that say ``failed`` are taken out, so that their inputs are missing and will be done.
        """
        if drop_failed:
            self.revise(lambda table: table.filter(pc.not_equal(table["status"], "failed")))
        found = [np.empty(0, DIGESTS)]
        self.counts.clear()
        self._file, self._pending = 0, ROW.empty_table()
        for name, table in self.tables():
            statuses = pc.if_else(pc.fill_null(table["gone"], False), GONE, table["status"])
            self.counts.update(statuses.to_pylist())
            found.append(digests(table["key"].to_pylist()))
            self._file = int(name.removeprefix("part-").removesuffix(".parquet"))
            self._pending = table
        if self._pending.num_rows >= ROWS_A_FILE:
            self._file, self._pending = self._file + 1, ROW.empty_table()
        self._flushed = self._pending.num_rows
        known = np.concatenate(found)
        known.sort()
        return known

    def tables(self, columns: list[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
        """(file name, rows) of what is durable, in order; columns that older ledgers lack are null."""
        names = sorted(n for n in top_names(self.folder) if n.endswith(".parquet")) if exists(self.folder) else []
        for name in names:
            yield name, _read_table(read_bytes(join(self.folder, name)), columns or ROW.names)

    def revise(self, change: Callable[[pa.Table], pa.Table]) -> None:
        """Rewrite each file of which ``change`` makes other rows. Nothing may be pending; :meth:`open` it anew."""
        for name, table in self.tables():
            after = change(table)
            if not after.equals(table):
                self._write(name, after)

    def clear(self) -> None:
        """Delete every row."""
        for name in [name for name, _ in self.tables(["key"])]:
            delete(join(self.folder, name))
        self.open()

    @property
    def rows(self) -> int:
        """Rows of inputs that are there."""
        return sum(self.counts.values()) - self.counts[GONE]

    def add(self, rows: list[LedgerRow]) -> None:
        """Take finished inputs in; they are kept at the next :meth:`flush`, or when the file is full.

        Rows added together become durable together: an output file that holds several pictures is entered whole.
        """
        self.counts.update(str(row.status) for row in rows)
        self._pending = pa.concat_tables([self._pending, to_table(rows)])
        if self._pending.num_rows >= ROWS_A_FILE:
            self.flush()
            self._file, self._pending, self._flushed = self._file + 1, ROW.empty_table(), 0

    def flush(self) -> None:
        """Make all rows so far durable."""
        if self._pending.num_rows > self._flushed:
            self._pending = self._pending.combine_chunks()
            self._write(self._name(), self._pending)
            self._flushed = self._pending.num_rows

    def outputs(self) -> set[str]:
        """Every output path that a row names."""
        paths: set[str] = set()
        for _, table in self.tables(["output"]):
            paths.update(pc.unique(table["output"].drop_null()).to_pylist())
        return paths

    def _name(self) -> str:
        return f"part-{self._file:06d}.parquet"

    def _write(self, name: str, table: pa.Table) -> None:
        write_bytes(join(self.folder, name), parquet_bytes(table))


def _read_table(data: bytes, columns: list[str]) -> pa.Table:
    file = pq.ParquetFile(io.BytesIO(data))
    there = [name for name in columns if name in file.schema_arrow.names]
    table = file.read(columns=there)
    rows = {
        name: table[name].cast(ROW.field(name).type)
        if name in there
        else pa.nulls(table.num_rows, ROW.field(name).type)
        for name in columns
    }
    return pa.table(rows)


def digests(keys: Iterable[str]) -> np.ndarray:
    """Digests of keys of DIGEST_BYTES each, to hold millions of them in one array."""
    return np.array([hashlib.blake2b(key.encode(), digest_size=DIGEST_BYTES).digest() for key in keys], DIGESTS)


def contains(known: np.ndarray, keys: list[str]) -> np.ndarray:
    """Which of ``keys`` are among the sorted digests ``known``: bool (len(keys),)."""
    if not len(known):
        return np.zeros(len(keys), bool)
    wanted = digests(keys)
    places = np.searchsorted(known, wanted)
    return known[np.minimum(places, len(known) - 1)] == wanted
