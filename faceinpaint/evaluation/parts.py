"""Tables of an evaluation on any storage: written whole or not at all, read column by column."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from faceinpaint.encoding import parquet_bytes
from faceinpaint.storage import kind, open_uri, write_bytes


def is_done(uri: str) -> bool:
    """Whether the table has been written. Raises :class:`InputError` when storage refuses to say."""
    return kind(uri) == pafs.FileType.File


def write_table(uri: str, table: pa.Table) -> None:
    """Raises ``OSError``."""
    write_bytes(uri, parquet_bytes(table))


def read_table(uri: str, columns: list[str]) -> pa.Table:
    """These columns of a table, no others are fetched. Raises ``OSError``."""
    filesystem, path = open_uri(uri)
    return pq.read_table(path, filesystem=filesystem, columns=columns)
