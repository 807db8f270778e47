"""Restoration in this process: few pictures need no cluster, and one face is restored before Ray would have started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from faceinpaint.data.places import count_pictures
from faceinpaint.data.source import picture_tables
from faceinpaint.inference.finder import Finder
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.painter import Painter
from faceinpaint.inference.quarantine import examine_apart
from faceinpaint.inference.steps import examine_batch, finish_batch, missing, plan_batch, write_rows
from faceinpaint.inference.way import PARQUET_ROWS, PICTURES, Columns, Source
from faceinpaint.inference.work import Settings, pack, unpack
from faceinpaint.storage import delete, exists, join, write_bytes

GROUP = 8  # pictures between two looks at the ledger: as many as fill a batch of the model
COLUMNS = ("key", "image", "error", "stamp")


class Here:
    """A :class:`.way.Way` through this process alone, by the very steps that Ray's workers take.

    A picture that kills the process leaves a mark; the next run examines each picture in a process of its own.
    """

    crashes: tuple[type[Exception], ...] = ()

    def __init__(self, source: Source, settings: Settings, inpainter: Inpainter):
        self.source, self.settings = source, settings
        self.painter = Painter(inpainter, threads=round(source.cpus))
        self.mark = join(settings.output, "_job", "working-here")

    def share(self, value: Any) -> Any:
        return value

    def call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    def counting(self) -> Callable[[bool], int | None]:
        count = count_pictures(self.source.input)
        return lambda wait: count

    def each(
        self, wanted: Callable[[list[str]], np.ndarray], step: Callable[[Columns], Columns], rows: int
    ) -> Iterator[Columns]:
        for batch in _batches(picture_tables(self.source.input, wanted), rows):
            yield step(batch)

    def stream(self, done: np.ndarray, apart: bool = False) -> Iterator[list[Any]]:
        apart = apart or exists(self.mark)
        write_bytes(self.mark, b"")
        try:
            rows = self.settings.as_rows and not self.source.dry_run
            yield from self._rows(done, apart) if rows else self._files(done, apart, GROUP)
        finally:
            delete(self.mark)

    def _files(self, done: np.ndarray, apart: bool, group: int) -> Iterator[list[Any]]:
        look = examine_apart if apart else examine_batch
        finder = self._finder(apart)
        for batch in _batches(picture_tables(self.source.input, partial(missing, done)), group):
            works = look(finder(batch) if finder else batch, self.settings)
            if self.source.dry_run:
                works = plan_batch(works, self.settings)
            else:
                works = finish_batch(self.painter(works), self.settings)
            yield unpack(works["work"])

    def _finder(self, apart: bool) -> Finder | None:
        source = self.source
        if source.sensitivity is None:
            return None
        return Finder(source.weights, source.sensitivity, threads=round(source.cpus), apart=apart)

    def _rows(self, done: np.ndarray, apart: bool) -> Iterator[list[Any]]:
        """As :meth:`_files`, in Parquet files of as many rows as Ray's."""
        finished: list[Any] = []
        for works in self._files(done, apart, PICTURES):
            finished += works
            while len(finished) >= PARQUET_ROWS:
                yield self._written(finished[:PARQUET_ROWS])
                finished = finished[PARQUET_ROWS:]
        if finished:
            yield self._written(finished)

    def _written(self, finished: list[Any]) -> list[Any]:
        return unpack(write_rows({"work": pack(finished)}, self.settings.output)["work"])


def _batches(tables: Iterator[pa.Table], rows: int) -> Iterator[Columns]:
    """Tables as columns of at most ``rows`` rows, as Ray's steps take them; none without rows."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for table in tables:
        for start in range(table.num_rows):
            for name, values in columns.items():
                values.append(table[name][start].as_py())
            if len(columns["key"]) == rows:
                yield _arrays(columns)
                columns = {name: [] for name in COLUMNS}
    if columns["key"]:
        yield _arrays(columns)


def _arrays(columns: dict[str, list[Any]]) -> Columns:
    """Object columns: numpy would cut zero bytes from the ends of encoded pictures."""
    arrays = {}
    for name, values in columns.items():
        arrays[name] = np.empty(len(values), object)
        arrays[name][:] = values
    return arrays
