"""The columns of Parquet that others wrote: keys as text, pictures as plain bytes, whatever type either was stored in.

What has such a type is asked of the very conversion, on a column without rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from faceinpaint.errors import InputError
from faceinpaint.storage import as_text

DAMAGE = (OSError, pa.ArrowException)  # what reading a file raises behind its footer


def check_columns(where: str, schema: pa.Schema, pictures: Sequence[str]) -> None:
    """Raises :class:`InputError` unless a file has a column ``key`` and ``pictures``, each once and of a fit type.

    where: how the message names the file.
    """
    wanted = ["key", *pictures]
    missing = sorted(set(wanted) - set(schema.names))
    if missing:
        raise InputError(
            f"{where}: no column {', '.join(missing)}; key and {', '.join(pictures)} (encoded bytes) are needed"
        )
    double = [name for name in wanted if schema.names.count(name) > 1]
    if double:
        raise InputError(f"{where}: several columns {double[0]}: give each a name of its own")
    kind = schema.field("key").type
    if not _is_fit(kind, texts):
        raise InputError(f"{where}: its column key is {kind}: give text or numbers")
    for name in pictures:
        if not holds_bytes(schema, name):
            kind = schema.field(name).type
            raise InputError(
                f"{where}: its column {name} is {kind}: give encoded bytes, or a struct with them as bytes"
            )


def holds_bytes(schema: pa.Schema, name: str) -> bool:
    """Whether there is one column of this name, and :func:`plain` takes it."""
    return schema.names.count(name) == 1 and _is_fit(schema.field(name).type, plain)


def plain(column: pa.Array) -> pa.Array:
    """Encoded pictures as binary; Hugging Face's {bytes, path} structs are unpacked."""
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    return column.cast(pa.binary())


def picture_at(column: pa.ChunkedArray, row: int) -> bytes | None:
    """One encoded picture, as :func:`plain` gives it."""
    return plain(column.slice(row, 1).combine_chunks())[0].as_py()


def texts(column: pa.Array) -> list[str | None]:
    """Keys as text. Bytes that are not UTF-8 are written ``\\xNN``, as those of files' names are."""
    try:
        return column.cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return [None if key is None else _text(key) for key in column.cast(pa.binary()).to_pylist()]


def _text(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        return as_text(os.fsdecode(key))


def _is_fit(kind: pa.DataType, conversion: Callable[[pa.Array], Any]) -> bool:
    try:
        conversion(pa.nulls(0, kind))
    except pa.ArrowException:
        return False
    return True
