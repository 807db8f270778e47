"""Encoded pictures out of a folder tree, zip, tar, Parquet or single file, local or on S3.

One idea: a source is a few generators of small tables, each streamed, here or by one Ray read task
(:mod:`.dataset`), so neither the driver nor any worker ever holds a listing or an archive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from faceinpaint.data.archives import LARGEST_FILE, content, is_archive, members
from faceinpaint.data.parquet_columns import DAMAGE, holds_bytes, plain
from faceinpaint.data.parquet_keys import NO_KEY, Numbered, numbered_keys, row_keys
from faceinpaint.data.places import check_source, is_parquet, parquet_files
from faceinpaint.storage import as_text, first_line, join, kind, list_stamped, open_uri, read_bytes, stamp_of

LISTING_ROWS = 1024
PARQUET_ROWS = 64

PICTURE = pa.schema([("key", pa.string()), ("image", pa.binary()), ("error", pa.string()), ("stamp", pa.string())])
LISTING = pa.schema([("key", pa.string()), ("path", pa.binary()), ("size", pa.int64()), ("stamp", pa.string())])

Wanted = Callable[[list[str]], np.ndarray]  # keys -> bool array


def picture_tables(
    uri: str, wanted: Wanted | None = None, labels: bool = False, number: bool = True
) -> Iterator[pa.Table]:
    """Pictures of any source, in this process: tables of a few rows, as :func:`.dataset.read_pictures` has them."""
    check_source(uri)
    if is_parquet(uri):
        for rows in parquet_readers(uri, labels, number):
            yield from filtered(rows, wanted)
    elif kind(uri) == pafs.FileType.Directory:
        for names in filtered(partial(listing, uri), wanted):
            yield from read_files(uri, names)
    else:
        yield from filtered(partial(archive_rows if is_archive(uri) else single_row, uri), wanted)


def filtered(tables: Callable[[], Iterator[pa.Table]], wanted: Wanted | None) -> Iterator[pa.Table]:
    """The tables less their unwanted rows. An empty table comes too: Ray needs a schema even of no rows."""
    for table in tables():
        yield table if wanted is None else table.filter(pa.array(wanted(table["key"].to_pylist())))


def _row(key: str, image: bytes | None, error: str | None, stamp: str | None) -> pa.Table:
    return pa.table({"key": [key], "image": [image], "error": [error], "stamp": [stamp]}, schema=PICTURE)


def listing(uri: str) -> Iterator[pa.Table]:
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


def read_files(uri: str, names: pa.Table) -> Iterator[pa.Table]:
    """A table of PICTURE, of one row, for each row of :func:`listing`'s tables."""
    for file in names.to_pylist():
        key, stamp = file["key"], file["stamp"]
        if file["size"] > LARGEST_FILE:
            yield _row(key, None, f"{file['size']} bytes: more than {LARGEST_FILE}, no photograph", stamp)
            continue
        try:
            yield _row(key, read_bytes(join(uri, os.fsdecode(file["path"]))), None, stamp)
        except OSError as error:
            yield _row(key, None, f"cannot be read: {first_line(error)}", stamp)


def single_row(uri: str) -> Iterator[pa.Table]:
    """The table of a source that is one picture."""
    filesystem, path = open_uri(uri)
    folder, slash, name = uri.rpartition("/")
    size = filesystem.get_file_info(path).size
    yield from read_files(folder + slash or ".", _listing_table([(name, size, stamp_of(uri))]))


def archive_rows(uri: str) -> Iterator[pa.Table]:
    """A table of one row for each file of a zip or tar."""
    for member in members(uri):
        yield _row(member[0], *content(member), member[1])


def parquet_readers(uri: str, labels: bool, number: bool) -> list[Callable[[], Iterator[pa.Table]]]:
    """What reads each file of a Parquet source. ``number``: rows of one key get keys of their own."""
    paths = parquet_files(uri)
    numbered = numbered_keys(uri, paths) if number else {}
    return [partial(_parquet_rows, uri, path, labels, numbered.get(path, {})) for path in paths]


def _parquet_rows(uri: str, path: str, labels: bool, numbered: Numbered) -> Iterator[pa.Table]:
    file, first = pq.ParquetFile(path, filesystem=open_uri(uri)[0]), 0
    wanted = ("image", "mask", *(["label"] if labels else []))
    pictures = [name for name in wanted if holds_bytes(file.schema_arrow, name)]
    for batch, error in _batches(file, ["key", *pictures]):
        keyless, nulls = pc.is_null(batch.column("key")), pa.nulls(batch.num_rows, pa.string())
        keys = pa.array(row_keys(path, first, batch.column("key"), numbered), pa.string())
        rows = {"key": keys} | {name: plain(batch.column(name)) for name in pictures}
        rows["image"] = pc.if_else(keyless, None, rows["image"])
        why = pa.nulls(batch.num_rows, pa.string()) if error is None else pa.repeat(error, batch.num_rows)
        yield pa.table(rows | {"error": pc.if_else(keyless, NO_KEY, why), "stamp": nulls})
        first += batch.num_rows


def _batches(file: pq.ParquetFile, columns: list[str]) -> Iterator[tuple[pa.RecordBatch, str | None]]:
    """A file's rows, some at a time. Where a row group is damaged, the rest of it has its keys alone, and why."""
    for group in range(file.num_row_groups):
        read = 0
        try:
            for batch in file.iter_batches(PARQUET_ROWS, row_groups=[group], columns=columns):
                yield batch, None
                read += batch.num_rows
        except DAMAGE as error:
            why = f"cannot be read: {first_line(error)}"
            for batch in file.read_row_group(group, columns=["key"]).slice(read).to_batches():
                without = {name: pa.nulls(batch.num_rows, pa.binary()) for name in columns[1:]}
                yield pa.record_batch({"key": batch.column("key")} | without), why
