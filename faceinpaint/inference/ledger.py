"""The ledger: one row an input, and exactly one, in Parquet files under OUTPUT/ledger.

The driver is its only writer. Rows gather in the newest file, which is written anew at every flush until it is full, so
that there are few files however often it is flushed; a file appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceinpaint.inference.row import ROW, LedgerRow, to_table
from faceinpaint.storage import exists, join, read_bytes, top_names, write_bytes

ROWS_A_FILE = 20_000  # a file is full from here on
DIGEST_BYTES = 16
DIGESTS = f"S{DIGEST_BYTES}"


class Ledger:
    """The ledger of one output folder. ``counts``: rows by status, those of earlier runs included."""

    def __init__(self, output: str):
        self.folder = join(output, "ledger")
        self.counts: Counter[str] = Counter()
        self._file, self._pending = 0, ROW.empty_table()
        self._flushed = 0

    def open(self, drop_failed: bool = False) -> np.ndarray:
        """Read what earlier runs wrote; returns the sorted digests (:func:`digests`) of its keys.

        ``drop_failed``: rows that say ``failed`` are taken out, so that their inputs are missing and will be done.
        """
        found = [np.empty(0, DIGESTS)]
        self.counts.clear()
        names = sorted(n for n in top_names(self.folder) if n.endswith(".parquet")) if exists(self.folder) else []
        for name in names:
            table = pq.read_table(io.BytesIO(read_bytes(join(self.folder, name)))).cast(ROW)
            if drop_failed and pc.any(pc.equal(table["status"], "failed")).as_py():
                table = table.filter(pc.not_equal(table["status"], "failed"))
                self._write(name, table)
            self.counts.update(table["status"].to_pylist())
            found.append(digests(table["key"].to_pylist()))
            self._file = int(name.removeprefix("part-").removesuffix(".parquet"))
            self._pending = table
        if self._pending.num_rows >= ROWS_A_FILE:
            self._file, self._pending = self._file + 1, ROW.empty_table()
        self._flushed = self._pending.num_rows
        known = np.concatenate(found)
        known.sort()
        return known

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

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
        names = top_names(self.folder) if exists(self.folder) else []
        paths: set[str] = set()
        for name in names:
            column = pq.read_table(io.BytesIO(read_bytes(join(self.folder, name))), columns=["output"])["output"]
            paths.update(pc.unique(column.drop_null()).to_pylist())
        return paths

    def _name(self) -> str:
        return f"part-{self._file:06d}.parquet"

    def _write(self, name: str, table: pa.Table) -> None:
        sink = io.BytesIO()
        pq.write_table(table, sink)
        write_bytes(join(self.folder, name), sink.getvalue())


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
