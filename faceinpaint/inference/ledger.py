"""The ledger: one row per input, and exactly one, in Parquet files under OUTPUT/ledger."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from faceinpaint.inference.row import ROW
from faceinpaint.inference.table import Table
from faceinpaint.storage import delete, join

GONE = "gone"  # beside the statuses, in counts
GONE_NOTE = "the input is no longer there"


class Ledger(Table):
    """The ledger of one output folder. Rows of inputs that are gone are counted apart, as GONE."""

    schema = ROW

    def __init__(self, output: str, folder: str = "ledger"):
        super().__init__(output, folder)

    def open(self, drop_failed: bool = False) -> np.ndarray:
        """As :meth:`Table.open`.

        ``drop_failed``: rows that say ``failed`` are taken out, so that their inputs are missing and will be done.
        """
        if drop_failed:
            self.revise(lambda table: table.filter(pc.not_equal(table["status"], "failed")))
        return super().open()

    def clear(self) -> None:
        """Delete every row."""
        for name in [name for name, _ in self.tables(["key"])]:
            delete(join(self.folder, name))
        self.open()

    @property
    def rows(self) -> int:
        """Rows of inputs that are there."""
        return super().rows - self.counts[GONE]

    def outputs(self) -> set[str]:
        """Every output path that a row names."""
        paths: set[str] = set()
        for _, table in self.tables(["output"]):
            paths.update(pc.unique(table["output"].drop_null()).to_pylist())
        return paths

    def _statuses(self, table: pa.Table) -> list[str]:
        return pc.if_else(pc.fill_null(table["gone"], False), GONE, table["status"]).to_pylist()
