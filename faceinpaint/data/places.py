"""What kind of source a URI is, and the names of what it holds, without Ray and without reading pictures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, islice

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from faceinpaint.data.archives import ROTTEN, is_archive, members
from faceinpaint.data.parquet_columns import check_columns, holds_bytes
from faceinpaint.data.parquet_keys import every_key, numbered_keys
from faceinpaint.errors import InputError
from faceinpaint.held import ray_is_there
from faceinpaint.storage import as_text, first_line, kind, list_stamped, name_of, open_uri, stamp_of, top_names

FEW = 32  # pictures that need no cluster
REJECTED = "rejected.parquet"  # beside prepared shards: what was left out, no pictures


def check_source(uri: str) -> None:
    """Raises :class:`InputError` when there is nothing to read at ``uri``; looks at no more than it must."""
    what = kind(uri)
    if what == pafs.FileType.NotFound:
        raise InputError(f"{uri}: no such file or folder")
    if what == pafs.FileType.Unknown:
        raise InputError(f"{uri}: a device or a pipe; name a file or a folder")
    if is_parquet(uri):
        _check_parquet(uri, parquet_files(uri))
    elif what == pafs.FileType.Directory:
        if next(list_stamped(uri), None) is None:
            raise InputError(f"{uri}: an empty folder; name one that holds pictures")
    elif is_archive(uri):
        try:
            empty = next(members(uri), None) is None
        except ROTTEN as error:
            raise InputError(f"{uri}: not a readable archive: {first_line(error)}") from None
        if empty:
            raise InputError(f"{uri}: an empty archive")


def list_keys(uri: str) -> Iterator[tuple[str, str | None]]:
    """(key, stamp) of every row that a source gives; a stamp changes with the file, None: its bytes must be compared.

    Reads names alone where it can (a tar has to be read through).
    """
    if is_parquet(uri):
        for key in every_key(uri, parquet_files(uri)):
            yield key, None
    elif kind(uri) == pafs.FileType.Directory:
        for path, _, stamp in list_stamped(uri):
            yield as_text(path), stamp
    elif is_archive(uri):
        for key, stamp, _ in members(uri):
            yield key, stamp
    else:
        yield as_text(name_of(uri)), stamp_of(uri)


def note_numbered(uri: str) -> str | None:
    """What to tell a person of rows of Parquet that share a key; None: nothing."""
    numbered = numbered_keys(uri, parquet_files(uri)) if is_parquet(uri) else {}
    keys = [key for rows in numbered.values() for key in rows.values()]
    if not keys:
        return None
    return f"{uri}: {len(keys)} row(s) with the key of an earlier row get keys of their own, such as {keys[0]}"


def count_pictures(uri: str) -> int:
    """How many rows a source gives."""
    return sum(_row_counts(uri) if is_parquet(uri) else (1 for _ in list_keys(uri)))


def _row_counts(uri: str) -> Iterator[int]:
    """Rows of each file of a Parquet source, read as they are asked for."""
    filesystem = open_uri(uri)[0]
    return (pq.ParquetFile(path, filesystem=filesystem).metadata.num_rows for path in parquet_files(uri))


def is_small(uri: str, rows: int) -> bool:
    """Whether a source gives at most ``rows``; looks at no more names or files, and reads a tar no further."""
    if is_parquet(uri):
        return all(total <= rows for total in accumulate(_row_counts(uri)))
    try:
        return sum(1 for _ in islice(list_keys(uri), rows + 1)) <= rows
    except ROTTEN:  # a row will say so
        return False


def works_here(uri: str, workers: int | None = None, gpus_per_worker: float | None = None) -> bool:
    """Whether a job does a source in its own process: if told so, by no ``workers``, or where its pictures are so few
    that they are done before Ray would have started, and no Ray is there or asked for."""
    if workers is not None or gpus_per_worker:
        return workers == 0
    return not ray_is_there() and is_small(uri, FEW)


def is_parquet(uri: str) -> bool:
    """Whether ``uri`` is a Parquet file, or a folder with nothing but Parquet in it (``_`` and ``.`` names aside)."""
    what = kind(uri)
    if what != pafs.FileType.Directory:
        return what == pafs.FileType.File and uri.lower().endswith(".parquet")
    names = (name for name in top_names(uri) if not name.startswith(("_", ".")))
    kinds = (name.lower().endswith(".parquet") for name in names)  # of a tree on S3 no more than one page is listed
    return next(kinds, False) and all(kinds)


def parquet_files(uri: str) -> list[str]:
    """Paths of the Parquet files of a :func:`is_parquet` source, for its filesystem, in order."""
    path = open_uri(uri)[1]
    if kind(uri) == pafs.FileType.File:
        return [path]
    names = sorted(name for name in top_names(uri) if not name.startswith(("_", ".")) and name != REJECTED)
    return [f"{path}/{name}" for name in names]


def has_labels(uri: str) -> bool:
    """Whether a source is Parquet whose files all have label maps. A column ``label`` of numbers is none: data sets
    often say there what a picture shows."""
    if not is_parquet(uri):
        return False
    filesystem = open_uri(uri)[0]
    return all(holds_bytes(pq.read_schema(path, filesystem=filesystem), "label") for path in parquet_files(uri))


def _check_parquet(uri: str, paths: list[str]) -> None:
    try:
        files = [pq.ParquetFile(path, filesystem=open_uri(uri)[0]) for path in paths]
    except (OSError, pa.ArrowInvalid, UnicodeEncodeError) as error:  # the last: of a file's name
        raise InputError(f"{uri}: no readable Parquet: {first_line(error)}") from None
    for path, file in zip(paths, files, strict=True):
        check_columns(path, file.schema_arrow, ["image"])
    if not sum(file.metadata.num_rows for file in files):
        raise InputError(f"{uri}: no rows")
