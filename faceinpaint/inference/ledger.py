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

from faceinpaint.storage import exists, join, read_bytes, top_names, write_bytes

SCHEMA_VERSION = 1
STATUSES = ("restored", "restored-fallback", "skipped", "failed")
ROWS_A_FILE = 20_000  # a file is full from here on
DIGEST_BYTES = 16
DIGESTS = f"S{DIGEST_BYTES}"
ROW = pa.schema(
    [
        ("key", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("input_sha256", pa.string()),
        ("mask_sha256", pa.string()),
        ("output", pa.string()),  # path relative to OUTPUT
        ("output_sha256", pa.string()),  # of the picture's encoded bytes
        ("hole_ratio", pa.float64()),
        ("faces", pa.int32()),
        ("seam_error", pa.float64()),  # mean step across the hole's edge, levels of 255
        ("seconds", pa.float64()),
        ("model_sha256", pa.string()),
        ("schema", pa.int32()),
    ]
)


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

    def add(self, rows: pa.Table) -> None:
        """Take finished inputs in; they are kept at the next :meth:`flush`, or when the file is full.

        Rows added together become durable together: an output file that holds several pictures is entered whole.
        """
        rows = rows.select(ROW.names).cast(ROW)
        self.counts.update(rows["status"].to_pylist())
        self._pending = pa.concat_tables([self._pending, rows])
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
