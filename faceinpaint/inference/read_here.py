"""Reading an archive in this process: what a restoration and a detection without Ray share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from faceinpaint.data.places import count_pictures
from faceinpaint.data.source import picture_tables
from faceinpaint.inference.way import Columns
from faceinpaint.storage import delete, exists, join, write_bytes

COLUMNS = ("key", "image", "error", "stamp")


class ReadHere:
    """The part of a :class:`.way.Way` through this process that does not depend on what is done with pictures."""

    crashes: tuple[type[Exception], ...] = ()

    def __init__(self, uri: str):
        self.uri = uri

    def share(self, value: Any) -> Any:
        return value

    def call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    def counting(self) -> Callable[[bool], int | None]:
        count = count_pictures(self.uri)
        return lambda wait: count

    def each(
        self, wanted: Callable[[list[str]], np.ndarray], step: Callable[[Columns], Columns], rows: int
    ) -> Iterator[Columns]:
        for batch in batches(picture_tables(self.uri, wanted), rows):
            yield step(batch)


@contextmanager
def marked(output: str) -> Iterator[bool]:
    """A mark below ``output`` while pictures are worked on.

    Gives whether one stood there before: then a picture has killed an earlier process.
    """
    mark = join(output, "_job", "working-here")
    left = exists(mark)
    write_bytes(mark, b"")
    try:
        yield left
    finally:
        delete(mark)


def batches(tables: Iterator[pa.Table], rows: int) -> Iterator[Columns]:
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
