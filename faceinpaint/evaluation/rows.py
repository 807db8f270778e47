"""Per-picture rows for later analysis, and the pictures a report shows."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faceinpaint.evaluation.parts import read_table
from faceinpaint.evaluation.plan import Plan
from faceinpaint.evaluation.statistics import METRICS
from faceinpaint.evaluation.worker import ORIGINAL, BatchRecord
from faceinpaint.hashing import stable_hash
from faceinpaint.storage import open_uri

SHOWN = 6  # pictures a figure has
Place = tuple[str, int]  # a batch and a row in it


@dataclass
class Example:
    """One picture as every method restored it: PNG bytes by method, with ``original`` and ``hole`` beside them."""

    key: str
    psnr: dict[str, float]
    hole_ratio: float
    pictures: dict[str, bytes] = field(default_factory=dict)


def write_rows(plan: Plan, batches: list[BatchRecord]) -> dict[str, list[Example]]:
    """Write ``OUTPUT/rows/METHOD.parquet``, one row per picture in the order of keys.

    Returns the examples of a report: ``sample`` (fixed by the pictures' keys) and ``worst`` (least PSNR of the first
    method). Memory holds one batch and the examples.
    """
    filesystem, root = open_uri(f"{plan.output}/rows")
    filesystem.create_dir(root, recursive=True)
    for method in plan.methods:
        with filesystem.open_output_stream(f"{root}/{method}.parquet") as sink:
            _write(sink, (_rows(plan, method, batch) for batch in batches))
    ours = plan.methods[0]
    return {
        "sample": _examples(
            plan, heapq.nsmallest(SHOWN, _places(plan, batches, ours, lambda row: stable_hash(row["key"])))
        ),
        "worst": _examples(plan, heapq.nsmallest(SHOWN, _places(plan, batches, ours, lambda row: row["psnr"]))),
    }


def _rows(plan: Plan, method: str, batch: BatchRecord) -> pa.Table:
    return read_table(plan.part_uri(method, batch.sha256), ["key", "hole_ratio", *METRICS])


def _write(sink: Any, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(sink, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _places(
    plan: Plan, batches: list[BatchRecord], method: str, rank: Callable[[dict[str, Any]], Any]
) -> Iterator[tuple[Any, Place]]:
    """Every picture's rank and place."""
    for batch in batches:
        for i, row in enumerate(_rows(plan, method, batch).to_pylist()):
            yield rank(row), (batch.sha256, i)


def _examples(plan: Plan, ranked: list[tuple[Any, Place]]) -> list[Example]:
    return [_example(plan, *place) for _, place in ranked]


def _example(plan: Plan, batch: str, i: int) -> Example:
    original = (
        read_table(plan.part_uri(ORIGINAL, batch), ["key", "hole_ratio", "hole", "picture"]).slice(i, 1).to_pylist()[0]
    )
    example = Example(original["key"], {}, original["hole_ratio"])
    example.pictures = {ORIGINAL: original["picture"], "hole": original["hole"]}
    for method in plan.methods:
        row = read_table(plan.part_uri(method, batch), ["psnr", "picture"]).slice(i, 1).to_pylist()[0]
        example.psnr[method], example.pictures[method] = row["psnr"], row["picture"]
    return example
