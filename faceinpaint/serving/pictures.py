"""Any one picture of an archive by its key, for the review page: what bulk jobs stream is here read as needed."""

from __future__ import annotations

import os
import re
import zipfile
from functools import lru_cache
from itertools import islice
from typing import Protocol

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from faceinpaint.data.archives import ROTTEN, is_archive, zip_entries
from faceinpaint.data.parquet_columns import picture_at
from faceinpaint.data.parquet_keys import every_key
from faceinpaint.data.places import is_parquet, parquet_files
from faceinpaint.errors import InputError
from faceinpaint.storage import first_line, join, kind, name_of, open_uri, read_bytes

ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


class Pictures(Protocol):
    """An archive's pictures by key."""

    def read(self, key: str) -> bytes:
        """A picture's bytes. Raises :class:`InputError` when it is not there or cannot be read."""
        ...


def open_pictures(uri: str) -> Pictures:
    """Pictures of a folder, a zip, a Parquet or a single file, local or s3://, by the keys that bulk jobs give them.

    Raises :class:`InputError` for what is not there, and for tar, which cannot be read out of order.
    """
    if is_parquet(uri):
        return _ParquetPictures(uri)
    what = kind(uri)
    if what == pafs.FileType.NotFound:
        raise InputError(f"{uri}: no such file or folder")
    if what == pafs.FileType.Directory:
        return _FolderPictures(uri)
    if uri.lower().endswith(".zip"):
        return _ZipPictures(uri)
    if is_archive(uri):
        raise InputError(f"{uri}: pictures of a tar cannot be shown one by one: unpack it first")
    return _FolderPictures(uri.rpartition("/")[0] or ".", only=name_of(uri))


class _FolderPictures:
    def __init__(self, uri: str, only: str | None = None):
        self.uri, self.only = uri, only

    def read(self, key: str) -> bytes:
        path = raw_path(key)
        if {"", ".", ".."} & set(path.split("/")) or (self.only and key != self.only):
            raise InputError(f"{key!r} is not a picture of {self.uri}")
        try:
            return read_bytes(join(self.uri, path))
        except (OSError, ValueError) as error:
            raise InputError(f"{key}: cannot be read: {first_line(error)}") from None


class _ZipPictures:
    def __init__(self, uri: str):
        self.uri = uri
        filesystem, path = open_uri(uri)
        try:
            self.archive = zipfile.ZipFile(filesystem.open_input_file(path))
            self.entries = dict(zip_entries(self.archive))  # under names as they were meant, not as zipfile reads them
        except ROTTEN as error:
            raise InputError(f"{uri}: not a readable archive: {first_line(error)}") from None

    def read(self, key: str) -> bytes:
        if key not in self.entries:
            raise InputError(f"{key!r} is not a picture of {self.uri}")
        try:
            return self.archive.read(self.entries[key])
        except ROTTEN as error:
            raise InputError(f"{key}: cannot be read from {self.uri}: {first_line(error)}") from None


class _ParquetPictures:
    def __init__(self, uri: str):
        self.uri, self.filesystem = uri, open_uri(uri)[0]
        self.places: dict[str, tuple[str, int, int]] = {}
        paths = parquet_files(uri)
        keys = every_key(uri, paths)
        for path in paths:
            file = pq.ParquetFile(path, filesystem=self.filesystem)
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                self.places.update((key, (path, group, row)) for row, key in enumerate(islice(keys, rows)))

    def read(self, key: str) -> bytes:
        if key not in self.places:
            raise InputError(f"{key!r} is not a picture of {self.uri}")
        path, group, row = self.places[key]
        picture = picture_at(self._column(path, group), row)
        if picture is None:
            raise InputError(f"{key}: its row has no picture")
        return picture

    @lru_cache(maxsize=2)  # noqa: B019  # lives as long as the page
    def _column(self, path: str, group: int) -> pa.ChunkedArray:
        return pq.ParquetFile(path, filesystem=self.filesystem).read_row_group(group, columns=["image"])["image"]


def raw_path(key: str) -> str:
    """The path that a key was made from: ``\\xNN`` stands for a byte that is not UTF-8."""
    return os.fsdecode(ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), key.encode()))
