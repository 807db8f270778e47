"""Tables with exactly one row an input, in Parquet files below OUTPUT: the ledger, and a detection's proposals.

The driver is their only writer. Rows gather in the newest file, which is written anew at every flush until it is full,
so that there are few files however often it is flushed; a file appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceinpaint.encoding import parquet_bytes
from faceinpaint.storage import exists, join, read_bytes, top_names, write_bytes

ROWS_A_FILE = 20_000  # a file is full from here on
DIGEST_BYTES = 16
DIGESTS = f"S{DIGEST_BYTES}"
COLUMNS = {str: pa.string(), float: pa.float64(), int: pa.int32(), bool: pa.bool_()}


def columns_of(row: type) -> pa.Schema:
    """A column for each field of a class of rows, in their order; a Literal's values are strings."""
    return pa.schema([(name, _column(hint)) for name, hint in get_type_hints(row).items()])


def _column(hint: Any) -> pa.DataType:
    """The column of a field of type ``hint`` or ``hint | None``."""
    if type(None) in get_args(hint):
        hint = get_args(hint)[0]
    return pa.string() if get_origin(hint) is Literal else COLUMNS[hint]


class Table:
    """One table of an output folder. ``counts``: rows by status, those of earlier runs included."""

    schema: ClassVar[pa.Schema]

    def __init__(self, output: str, folder: str):
        self.folder = join(output, folder)
        self.counts: Counter[str] = Counter()
        self._file, self._pending, self._flushed = 0, self.schema.empty_table(), 0

    @property
    def rows(self) -> int:
        """How many there are, flushed or not."""
        return sum(self.counts.values())

    def open(self) -> np.ndarray:
        """Read what earlier runs wrote; returns the sorted digests (:func:`digests`) of its keys."""
        found = [np.empty(0, DIGESTS)]
        self.counts.clear()
        self._file, self._pending = 0, self.schema.empty_table()
        for name, table in self.tables():
            self.counts.update(self._statuses(table))
            found.append(digests(table["key"].to_pylist()))
            self._file = int(name.removeprefix("part-").removesuffix(".parquet"))
            self._pending = table
        self._flushed = self._pending.num_rows
        self._turn_over()
        known = np.concatenate(found)
        known.sort()
        return known

    def tables(self, columns: list[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
        """(file name, rows) of what is durable, in order; columns that older files lack are null."""
        names = sorted(n for n in top_names(self.folder) if n.endswith(".parquet")) if exists(self.folder) else []
        for name in names:
            yield name, self._read(name, columns or self.schema.names)

    def add(self, rows: Sequence[Any]) -> None:
        """Take finished inputs in; they are kept at the next :meth:`flush`, or when the file is full.

        Rows added together become durable together: an output file that holds several pictures is entered whole.
        """
        self.counts.update(str(row.status) for row in rows)
        self._pending = pa.concat_tables([self._pending, table_of(rows, self.schema)])
        if self._pending.num_rows >= ROWS_A_FILE:
            self.flush()
            self._turn_over()

    def flush(self) -> None:
        """Make all rows so far durable."""
        if self._pending.num_rows > self._flushed:
            self._pending = self._pending.combine_chunks()
            self._write(f"part-{self._file:06d}.parquet", self._pending)
            self._flushed = self._pending.num_rows

    def revise(self, change: Callable[[pa.Table], pa.Table]) -> None:
        """Rewrite each file of which ``change`` makes other rows. Nothing may be pending; :meth:`open` it anew."""
        for name, table in self.tables():
            after = change(table)
            if not after.equals(table):
                self._write(name, after)

    def _statuses(self, table: pa.Table) -> list[str]:
        return table["status"].to_pylist()

    def _turn_over(self) -> None:
        if self._pending.num_rows >= ROWS_A_FILE:
            self._file, self._pending, self._flushed = self._file + 1, self.schema.empty_table(), 0

    def _write(self, name: str, table: pa.Table) -> None:
        write_bytes(join(self.folder, name), parquet_bytes(table))

    def _read(self, name: str, columns: list[str]) -> pa.Table:
        file = pq.ParquetFile(io.BytesIO(read_bytes(join(self.folder, name))))
        there = [name for name in columns if name in file.schema_arrow.names]
        table = file.read(columns=there)
        kinds = {name: self.schema.field(name).type for name in columns}
        return pa.table(
            {n: table[n].cast(kind) if n in there else pa.nulls(table.num_rows, kind) for n, kind in kinds.items()}
        )


def table_of(rows: Iterable[Any], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table of ``schema``."""
    return pa.Table.from_pylist([asdict(row) for row in rows], schema)


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
