"""Encoded pictures out of a folder tree, zip, tar, Parquet or single file, local or on S3, as a Ray Dataset.

One idea: a source is a few generators of small tables, each run by one Ray read task and streamed, so neither the
driver nor any worker ever holds a listing or an archive.
"""

from __future__ import annotations

import os
import posixpath
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import ray
from ray.data import Dataset, Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from faceinpaint.errors import InputError
from faceinpaint.storage import first_line, is_s3, join, kind, list_files, name_of, open_uri, read_bytes, top_names

FILES_A_TASK = 16
LARGEST_FILE = 2**30  # bytes; a larger file is no photograph and would fill a worker's memory
LISTING_ROWS = 1024
PARQUET_ROWS = 64
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ESCAPE_LIKE = re.compile(rb"\\(?=x[0-9a-f]{2})")  # escaped too, so that no two paths become one key
REJECTED = "rejected.parquet"  # beside prepared shards: what was left out, no pictures

PICTURE = pa.schema([("key", pa.string()), ("image", pa.binary()), ("error", pa.string())])
ROTTEN = (
    OSError,
    pa.ArrowInvalid,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def read_pictures(uri: str, wanted: Callable[[list[str]], np.ndarray] | None = None) -> Dataset:
    """Pictures of any source: ``key``, ``image`` (encoded bytes), ``error``, and ``mask`` for Parquet that has it.

    ``key`` is the path relative to ``uri`` (bytes that are not UTF-8 escaped as ``\\xNN``), the file's own name for a
    single file, the path in an archive, or Parquet's ``key``. Every regular file is a row, in a fixed order. A row
    whose bytes cannot be read has a null ``image`` and says why in ``error``. Blocks may be few and large: repartition.
    ``wanted``: keys -> bool array; rows whose key is not wanted are left out, and files of a folder not even read.
    Raises :class:`InputError` when there is nothing to read.
    """
    keep = partial(_filter, wanted=wanted)
    if is_parquet(uri):
        paths = parquet_files(uri)
        _check_parquet(uri, paths)
        return _dataset([partial(keep, partial(_parquet_rows, uri, path)) for path in paths])
    what = kind(uri)
    if what == pafs.FileType.NotFound:
        raise InputError(f"{uri}: no such file or folder")
    if what == pafs.FileType.Directory:
        if next(_listing(uri), None) is None:
            raise InputError(f"{uri}: an empty folder; name one that holds pictures")
        listing = _dataset([partial(keep, partial(_listing, uri))]).repartition(target_num_rows_per_block=FILES_A_TASK)
        return listing.map_batches(partial(_read_files, uri), batch_size=None, batch_format="pyarrow")
    if uri.endswith(".zip"):
        _check_archive(uri, lambda: next(_zip_rows(uri), None))
        return _dataset([partial(keep, partial(_zip_rows, uri))])
    if uri.endswith(ARCHIVES):
        _check_archive(uri, lambda: next(_tar_rows(uri), None))
        return _dataset([partial(keep, partial(_tar_rows, uri))])
    return _dataset([partial(keep, partial(_single_row, uri))])


def count_pictures(uri: str) -> int:
    """How many rows :func:`read_pictures` gives; reads names alone where it can (a tar has to be read through)."""
    if is_parquet(uri):
        filesystem = open_uri(uri)[0]
        return sum(pq.ParquetFile(path, filesystem=filesystem).metadata.num_rows for path in parquet_files(uri))
    if kind(uri) == pafs.FileType.Directory:
        return sum(1 for _ in list_files(uri))
    if uri.endswith(".zip"):
        with _open(uri) as file, zipfile.ZipFile(file) as archive:
            return sum(not member.is_dir() for member in archive.infolist())
    return sum(1 for _ in _tar_rows(uri)) if uri.endswith(ARCHIVES) else 1


def is_small(uri: str, rows: int) -> bool:
    """Whether a look at names shows that :func:`read_pictures` gives at most ``rows``; archives are not looked into."""
    if is_parquet(uri) or uri.endswith(ARCHIVES):
        return False
    return kind(uri) == pafs.FileType.File or sum(1 for _ in islice(list_files(uri), rows + 1)) <= rows


def is_parquet(uri: str) -> bool:
    """Whether ``uri`` is a Parquet file, or a folder with nothing but Parquet in it (``_`` and ``.`` names aside)."""
    what = kind(uri)
    if what != pafs.FileType.Directory:
        return what == pafs.FileType.File and uri.endswith(".parquet")
    names = [name for name in top_names(uri) if not name.startswith(("_", "."))]
    return bool(names) and all(name.endswith(".parquet") for name in names)


def parquet_files(uri: str) -> list[str]:
    """Paths of the Parquet files of a :func:`is_parquet` source, for its filesystem, in order."""
    path = open_uri(uri)[1]
    if kind(uri) == pafs.FileType.File:
        return [path]
    names = sorted(name for name in top_names(uri) if not name.startswith(("_", ".")) and name != REJECTED)
    return [f"{path}/{name}" for name in names]


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


def _filter(
    tables: Callable[[], Iterator[pa.Table]], wanted: Callable[[list[str]], np.ndarray] | None
) -> Iterator[pa.Table]:
    """The tables less their unwanted rows. An empty table comes too: Ray needs a schema even of no rows."""
    for table in tables():
        yield table if wanted is None else table.filter(pa.array(wanted(table["key"].to_pylist())))


def _row(key: str, image: bytes | None, error: str | None = None) -> pa.Table:
    return pa.table({"key": [key], "image": [image], "error": [error]}, schema=PICTURE)


def _text(path: str) -> str:
    """``path`` as valid UTF-8: bytes that are not become ``\\xNN``, and so does the backslash of a name like that."""
    return ESCAPE_LIKE.sub(rb"\\x5c", os.fsencode(path)).decode("utf-8", "backslashreplace")


def _listing(uri: str) -> Iterator[pa.Table]:
    """Tables of ``key``, ``path`` (raw bytes) and ``size`` of a folder's files."""
    rows: list[tuple[str, int]] = []
    for row in list_files(uri):
        rows.append(row)
        if len(rows) == LISTING_ROWS:
            yield _listing_table(rows)
            rows = []
    if rows:
        yield _listing_table(rows)


def _listing_table(rows: list[tuple[str, int]]) -> pa.Table:
    paths, sizes = zip(*rows, strict=True)
    columns = {"key": [_text(path) for path in paths], "path": [os.fsencode(path) for path in paths], "size": sizes}
    return pa.table(columns, schema=pa.schema([("key", pa.string()), ("path", pa.binary()), ("size", pa.int64())]))


def _read_files(uri: str, listing: pa.Table) -> Iterator[pa.Table]:
    for file in listing.to_pylist():
        if file["size"] > LARGEST_FILE:
            yield _row(file["key"], None, f"{file['size']} bytes: more than {LARGEST_FILE}, no photograph")
            continue
        try:
            yield _row(file["key"], read_bytes(join(uri, os.fsdecode(file["path"]))))
        except OSError as error:
            yield _row(file["key"], None, f"cannot be read: {first_line(error)}")


def _single_row(uri: str) -> Iterator[pa.Table]:
    filesystem, path = open_uri(uri)
    folder, _, name = uri.rpartition("/")
    size = filesystem.get_file_info(path).size
    yield from _read_files(folder or ".", _listing_table([(name, size)]))


def _check_archive(uri: str, first: Callable[[], object]) -> None:
    try:
        empty = first() is None
    except ROTTEN as error:
        raise InputError(f"{uri}: not a readable archive: {first_line(error)}") from None
    if empty:
        raise InputError(f"{uri}: an empty archive")


def _open(uri: str) -> IO[bytes]:
    filesystem, path = open_uri(uri)
    return filesystem.open_input_file(path) if is_s3(uri) else open(path, "rb")


def _zip_rows(uri: str) -> Iterator[pa.Table]:
    seen: Counter[str] = Counter()
    with _open(uri) as file, zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            key = _unique(member.filename, seen)
            if member.file_size > LARGEST_FILE:
                yield _row(key, None, f"{member.file_size} bytes: more than {LARGEST_FILE}, no photograph")
                continue
            try:
                yield _row(key, archive.read(member))
            except ROTTEN as error:
                yield _row(key, None, f"cannot be read: {first_line(error)}")


def _tar_rows(uri: str) -> Iterator[pa.Table]:
    seen: Counter[str] = Counter()
    with _open(uri) as file, tarfile.open(fileobj=file, mode="r|*") as archive:
        try:
            for member in archive:
                if not (member.isfile() or member.islnk()):
                    continue
                key = _unique(member.name, seen)
                if member.islnk():  # its bytes came with another name, and a stream does not go back
                    yield _row(key, None, f"a hard link to {_text(member.linkname)} in the archive: unpack it first")
                    continue
                if member.size > LARGEST_FILE:
                    yield _row(key, None, f"{member.size} bytes: more than {LARGEST_FILE}, no photograph")
                    continue
                content = archive.extractfile(member)
                assert content is not None
                yield _row(key, content.read())
        except ROTTEN as error:  # a stream cannot go on behind the damage
            yield _row(_unique(name_of(uri), seen), None, f"the archive is damaged from here on: {first_line(error)}")


def _unique(name: str, seen: Counter[str]) -> str:
    """An archive may hold one name twice, or write it in two ways (``./a``, ``a``); each entry needs its own key."""
    key = name = _text(posixpath.normpath(name))
    while seen[key]:
        seen[name] += 1
        key = f"{name}#{seen[name]}"
    seen[key] += 1
    return key


def _check_parquet(uri: str, paths: list[str]) -> None:
    try:
        files = [pq.ParquetFile(path, filesystem=open_uri(uri)[0]) for path in paths]
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{uri}: no readable Parquet: {first_line(error)}") from None
    for path, file in zip(paths, files, strict=True):
        missing = {"key", "image"} - set(file.schema_arrow.names)
        if missing:
            raise InputError(
                f"{path}: no column {', '.join(sorted(missing))}; key and image (encoded bytes) are needed"
            )
    if not sum(file.metadata.num_rows for file in files):
        raise InputError(f"{uri}: no rows")


def _parquet_rows(uri: str, path: str) -> Iterator[pa.Table]:
    file = pq.ParquetFile(path, filesystem=open_uri(uri)[0])
    columns = [name for name in ("key", "image", "mask") if name in file.schema_arrow.names]
    for batch in file.iter_batches(PARQUET_ROWS, columns=columns):
        rows = {name: _plain(batch.column(name), name) for name in columns}
        yield pa.table(rows | {"error": pa.nulls(batch.num_rows, pa.string())})


def _plain(column: pa.Array, name: str) -> pa.Array:
    """Strings for keys, binary for pictures; Hugging Face's {bytes, path} structs are unpacked."""
    if pa.types.is_struct(column.type):
        column = column.field("bytes")
    return column.cast(pa.string() if name == "key" else pa.binary())
