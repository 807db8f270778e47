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
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from faceinpaint.data.archives import LARGEST_FILE, content, is_archive, members
from faceinpaint.data.places import check_source, is_parquet, parquet_files
from faceinpaint.storage import as_text, first_line, join, kind, list_stamped, open_uri, read_bytes, stamp_of

LISTING_ROWS = 1024
PARQUET_ROWS = 64

PICTURE = pa.schema([("key", pa.string()), ("image", pa.binary()), ("error", pa.string()), ("stamp", pa.string())])
LISTING = pa.schema([("key", pa.string()), ("path", pa.binary()), ("size", pa.int64()), ("stamp", pa.string())])

Wanted = Callable[[list[str]], np.ndarray]  # keys -> bool array


def picture_tables(uri: str, wanted: Wanted | None = None, labels: bool = False) -> Iterator[pa.Table]:
    """Pictures of any source, in this process: tables of a few rows, as :func:`.dataset.read_pictures` has them."""
    check_source(uri)
    if is_parquet(uri):
        for path in parquet_files(uri):
            yield from filtered(partial(parquet_rows, uri, path, labels), wanted)
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
    filesystem, path = open_uri(uri)
    folder, slash, name = uri.rpartition("/")
    size = filesystem.get_file_info(path).size
    yield from read_files(folder + slash or ".", _listing_table([(name, size, stamp_of(uri))]))


def archive_rows(uri: str) -> Iterator[pa.Table]:
    for member in members(uri):
        yield _row(member[0], *content(member), member[1])


def parquet_rows(uri: str, path: str, labels: bool = False) -> Iterator[pa.Table]:
    file = pq.ParquetFile(path, filesystem=open_uri(uri)[0])
    wanted = ("key", "image", "mask", *(["label"] if labels else []))
    columns = [name for name in wanted if name in file.schema_arrow.names]
    for batch in file.iter_batches(PARQUET_ROWS, columns=columns):
        rows = {name: _plain(batch.column(name), name) for name in columns}
        nulls = pa.nulls(batch.num_rows, pa.string())
        yield pa.table(rows | {"error": nulls, "stamp": nulls})


def _plain(column: pa.Array, name: str) -> pa.Array:
    """Strings for keys, binary for pictures; Hugging Face's {bytes, path} structs are unpacked."""
    if pa.types.is_struct(column.type):
        column = column.field("bytes")
    return column.cast(pa.string() if name == "key" else pa.binary())
