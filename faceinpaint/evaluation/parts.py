"""Tables of an evaluation on any storage: written whole or not at all, read column by column."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from PIL import Image

from faceinpaint.storage import kind, open_uri, write_bytes


def is_done(uri: str) -> bool:
    return kind(uri) == pafs.FileType.File


def write_table(uri: str, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_bytes(uri, sink.getvalue().to_pybytes())


def read_table(uri: str, columns: list[str]) -> pa.Table:
    filesystem, path = open_uri(uri)
    return pq.read_table(path, filesystem=filesystem, columns=columns)


def to_png(picture) -> bytes:  # type: ignore[no-untyped-def]
    """uint8 (H, W, 3) or (H, W) -> PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
