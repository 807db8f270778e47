"""Which key each row of a Parquet source has: its own, unless that is null or an earlier row's.

A job has one result for each key, so no two rows may share one. As in an archive, the second row of a key ``a`` gets
``a#2``. A row without a key is named after its file and its place there, counted from 0, and its picture is not used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceinpaint.data.parquet_columns import DAMAGE, texts
from faceinpaint.errors import InputError
from faceinpaint.storage import first_line, name_of, open_uri

NO_KEY = "its key is null: give each row a key of its own"

Numbered = Mapping[int, str]  # row of a file -> the key that it gets


def row_keys(path: str, first: int, keys: pa.Array, numbered: Numbered) -> list[str]:
    """The keys of a file's rows from row ``first`` on, whose column says ``keys``."""
    return [numbered.get(row) or _named(path, row, key) for row, key in enumerate(texts(keys), start=first)]


def every_key(uri: str, paths: Sequence[str]) -> Iterator[str]:
    """The key of each row of the files ``paths`` of a Parquet source, in order."""
    numbered = numbered_keys(uri, paths)
    return (numbered.get(path, {}).get(row, key) for path, row, key in _own_keys(uri, paths))


def numbered_keys(uri: str, paths: Sequence[str]) -> dict[str, Numbered]:
    """By path of a source's files, the rows whose key is an earlier row's, and what they get; none: left out."""
    seen = open_uri(uri)[0].get_file_info(list(paths))
    return _numbered(uri, tuple((info.path, info.size, info.mtime_ns) for info in seen))


@lru_cache(maxsize=2)
def _numbered(uri: str, files: tuple[tuple[str, int, int | None], ...]) -> dict[str, Numbered]:
    """Eight bytes are held for each key, keys only where two are the same. ``files``: path, size, time of change."""
    paths = [path for path, _, _ in files]
    known = np.fromiter((hash(key) for _, _, key in _own_keys(uri, paths)), np.int64)
    known.sort()
    double = frozenset(known[1:][known[1:] == known[:-1]].tolist())
    numbered: dict[str, dict[int, str]] = {}
    seen: Counter[str] = Counter()
    for path, row, name in _own_keys(uri, paths) if double else ():
        if hash(name) not in double:
            continue
        key = name
        while seen[key] or (key != name and _contains(known, hash(key))):
            seen[name] += 1
            key = f"{name}#{seen[name]}"
        seen[key] += 1
        if key != name:
            numbered.setdefault(path, {})[row] = key
    return dict(numbered)


def _own_keys(uri: str, paths: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """(path, row in the file, key) of each row. Raises :class:`InputError` where the keys are damaged."""
    for path in paths:
        row = 0
        for keys in _key_columns(uri, path):
            for key in row_keys(path, row, keys, {}):
                yield path, row, key
                row += 1


def _key_columns(uri: str, path: str) -> Iterator[pa.Array]:
    try:
        for batch in pq.ParquetFile(path, filesystem=open_uri(uri)[0]).iter_batches(columns=["key"]):
            yield batch.column("key")
    except DAMAGE as error:
        raise InputError(f"{path}: its keys cannot be read: {first_line(error)}; bring a whole file") from None


def _named(path: str, row: int, key: str | None) -> str:
    return f"{name_of(path)} row {row}" if key is None else key


def _contains(known: np.ndarray, value: int) -> bool:
    place = int(np.searchsorted(known, value))
    return place < len(known) and bool(known[place] == value)
