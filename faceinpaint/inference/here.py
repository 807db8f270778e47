"""Restoration in this process: few pictures need no cluster, and one face is restored before Ray would have started."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from faceinpaint.data.source import picture_tables
from faceinpaint.inference.finder import Finder
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.painter import Painter
from faceinpaint.inference.quarantine import examine_apart
from faceinpaint.inference.read_here import ReadHere, batches, marked
from faceinpaint.inference.steps import examine_batch, finish_batch, missing, plan_batch, write_block
from faceinpaint.inference.travel import Settings, pack, unpack
from faceinpaint.inference.way import MODEL_BATCH, PARQUET_ROWS, PICTURES, Source

GROUP = MODEL_BATCH  # pictures between two looks at the ledger


class Here(ReadHere):
    """A :class:`.way.Way` through this process alone, by the very steps that Ray's workers take.

    A picture that kills the process leaves a mark; the next run examines each picture in a process of its own.
    """

    def __init__(self, source: Source, settings: Settings, inpainter: Inpainter):
        super().__init__(source.input)
        self.source, self.settings = source, settings
        self.painter = Painter(inpainter, threads=round(source.cpus), batch=source.model_batch)

    def stream(self, done: np.ndarray, apart: bool = False) -> Iterator[list[Any]]:
        rows = self.settings.as_rows and not self.source.dry_run
        with marked(self.settings.output) as left:
            apart = apart or left
            yield from self._rows(done, apart) if rows else self._files(done, apart, GROUP)

    def _files(self, done: np.ndarray, apart: bool, group: int) -> Iterator[list[Any]]:
        look = examine_apart if apart else examine_batch
        finder = self._finder(apart)
        for batch in batches(picture_tables(self.source.input, partial(missing, done)), group):
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
        return unpack(write_block({"work": pack(finished)}, self.settings.output)["work"])
