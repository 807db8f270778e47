"""Encoded pictures out of a folder tree, zip, tar, Parquet or single file, local or on S3, as a Ray Dataset.

One idea: a source is a few generators of small tables, each run by one Ray read task and streamed, so neither the
driver nor any worker ever holds a listing or an archive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import ray
from ray.data import Dataset, Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from faceinpaint.data.archives import LARGEST_FILE, content, is_archive, members
from faceinpaint.data.places import check_source, is_parquet, parquet_files
from faceinpaint.storage import as_text, first_line, join, kind, list_stamped, open_uri, read_bytes, stamp_of

FILES_A_TASK = 16
LISTING_ROWS = 1024
PARQUET_ROWS = 64

PICTURE = pa.schema([("key", pa.string()), ("image", pa.binary()), ("error", pa.string()), ("stamp", pa.string())])
LISTING = pa.schema([("key", pa.string()), ("path", pa.binary()), ("size", pa.int64()), ("stamp", pa.string())])

Wanted = Callable[[list[str]], np.ndarray]  # keys -> bool array


def read_pictures(uri: str, wanted: Wanted | None = None) -> Dataset:
    """Pictures of any source: ``key``, ``image`` (encoded bytes), ``error``, ``stamp``; ``mask`` of Parquet with one.

    ``key`` is the path relative to ``uri`` (bytes that are not UTF-8 escaped as ``\\xNN``), the file's own name for a
    single file, the path in an archive, or Parquet's ``key``. Every regular file is a row, in a fixed order. A row
    whose bytes cannot be read has a null ``image`` and says why in ``error``; ``stamp`` changes when the file does, and
    is null in Parquet. Blocks may be few and large: repartition. ``wanted``: rows whose key is not wanted are left out,
    and files of a folder not even read. Raises :class:`InputError` when there is nothing to read.
    """
    check_source(uri)
    keep = partial(_filter, wanted=wanted)
    if is_parquet(uri):
        return _dataset([partial(keep, partial(_parquet_rows, uri, path)) for path in parquet_files(uri)])
    if kind(uri) == pafs.FileType.Directory:
        listing = _dataset([partial(keep, partial(_listing, uri))]).repartition(target_num_rows_per_block=FILES_A_TASK)
        return listing.map_batches(partial(_read_files, uri), batch_size=None, batch_format="pyarrow")
    rows = _archive_rows if is_archive(uri) else _single_row
    return _dataset([partial(keep, partial(rows, uri))])


class _Rows(Datasource):
    """A Ray data source of independent generators of tables."""

    def __init__(self, generators: list[Callable[[], Iterable[pa.Table]]]):
        super().__init__()
        self._generators = generators

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism, per_task_row_limit=None, data_context=None) -> list[ReadTask]:  # type: ignore[no-untyped-def]
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(rows, unknown, per_task_row_limit=per_task_row_limit) for rows in self._generators]


def _dataset(generators: list[Callable[[], Iterable[pa.Table]]]) -> Dataset:
    return ray.data.read_datasource(_Rows(generators), override_num_blocks=len(generators))


def _filter(tables: Callable[[], Iterator[pa.Table]], wanted: Wanted | None) -> Iterator[pa.Table]:
    """The tables less their unwanted rows. An empty table comes too: Ray needs a schema even of no rows."""
    for table in tables():
        yield table if wanted is None else table.filter(pa.array(wanted(table["key"].to_pylist())))


def _row(key: str, image: bytes | None, error: str | None, stamp: str | None) -> pa.Table:
    return pa.table({"key": [key], "image": [image], "error": [error], "stamp": [stamp]}, schema=PICTURE)


def _listing(uri: str) -> Iterator[pa.Table]:
    """Tables of LISTING of a folder's files; ``path`` has the raw bytes."""
    rows: list[tuple[str, int, str]] = []
    for row in list_stamped(uri):
        rows.append(row)
        if len(rows) == LISTING_ROWS:
            yield _listing_table(rows)
            rows = []
    if rows:
        yield _listing_table(rows)


def _listing_table(rows: list[tuple[str, int, str]]) -> pa.Table:
    paths, sizes, stamps = zip(*rows, strict=True)
    keys, raw = [as_text(path) for path in paths], [os.fsencode(path) for path in paths]
    return pa.table({"key": keys, "path": raw, "size": sizes, "stamp": stamps}, schema=LISTING)


def _read_files(uri: str, listing: pa.Table) -> Iterator[pa.Table]:
    for file in listing.to_pylist():
        key, stamp = file["key"], file["stamp"]
        if file["size"] > LARGEST_FILE:
            yield _row(key, None, f"{file['size']} bytes: more than {LARGEST_FILE}, no photograph", stamp)
            continue
        try:
            yield _row(key, read_bytes(join(uri, os.fsdecode(file["path"]))), None, stamp)
        except OSError as error:
            yield _row(key, None, f"cannot be read: {first_line(error)}", stamp)


def _single_row(uri: str) -> Iterator[pa.Table]:
    filesystem, path = open_uri(uri)
    folder, _, name = uri.rpartition("/")
    size = filesystem.get_file_info(path).size
    yield from _read_files(folder or ".", _listing_table([(name, size, stamp_of(uri))]))


def _archive_rows(uri: str) -> Iterator[pa.Table]:
    for member in members(uri):
        yield _row(member[0], *content(member), member[1])


def _parquet_rows(uri: str, path: str) -> Iterator[pa.Table]:
    file = pq.ParquetFile(path, filesystem=open_uri(uri)[0])
    columns = [name for name in ("key", "image", "mask") if name in file.schema_arrow.names]
    for batch in file.iter_batches(PARQUET_ROWS, columns=columns):
        rows = {name: _plain(batch.column(name), name) for name in columns}
        nulls = pa.nulls(batch.num_rows, pa.string())
        yield pa.table(rows | {"error": nulls, "stamp": nulls})


def _plain(column: pa.Array, name: str) -> pa.Array:
    """Strings for keys, binary for pictures; Hugging Face's {bytes, path} structs are unpacked."""
    if pa.types.is_struct(column.type):
        column = column.field("bytes")
    return column.cast(pa.string() if name == "key" else pa.binary())
