"""What a picture's row stands for under OUTPUT, taken away when the row is: files, or rows of Parquet files."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceinpaint.encoding import parquet_bytes
from faceinpaint.inference.ledger import Ledger
from faceinpaint.storage import delete, exists, join, read_bytes, top_names, write_bytes

PREFIX = "restored-"


def parquet_name(keys: list[str]) -> str:
    """The name of an output file of pictures: the same for the same ones."""
    return f"{PREFIX}{hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:16]}.parquet"


def write_pictures(output: str, table: pa.Table) -> str:
    """Write ``key`` and ``image`` as one Parquet file, named after its keys: done twice, it is the same file."""
    name = parquet_name(table["key"].to_pylist())
    write_bytes(join(output, name), parquet_bytes(table))
    return name


def delete_outputs(output: str, rows: list[dict[str, Any]]) -> None:
    """Delete the files of ledger rows (``key``, ``output``) that are to be done again."""
    for row in rows:
        if not row["output"]:
            continue
        for name in (row["output"], f"{row['output']}.xmp", join("masks", f"{row['key']}.png")):
            with suppress(FileNotFoundError, NotADirectoryError):
                delete(join(output, name))


def without_rows(output: str, rows: list[dict[str, Any]]) -> dict[str, str | None]:
    """Write the output files of ledger rows anew without those rows' pictures; old name -> new name, None: no row left.

    The old files are left for :func:`drop_orphans`, once the ledger has the new names.
    """
    renamed: dict[str, str | None] = {}
    for name in sorted({row["output"] for row in rows if row["output"]}):
        if not exists(join(output, name)):
            continue
        doomed = pa.array([row["key"] for row in rows if row["output"] == name], pa.string())
        table = pq.read_table(io.BytesIO(read_bytes(join(output, name))))
        left = table.filter(pc.invert(pc.is_in(table["key"], value_set=doomed)))
        renamed[name] = write_pictures(output, left) if left.num_rows else None
    return renamed


def drop_orphans(output: str, ledger: Ledger) -> None:
    """Delete Parquet files that no row names: a killed run wrote them and did not enter them."""
    names = [name for name in top_names(output) if name.startswith(PREFIX)]
    entered = ledger.outputs() if names else set()
    for name in names:
        if name not in entered:
            delete(join(output, name))
