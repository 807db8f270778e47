"""The pipeline's steps around the model, as Ray Data runs them on batches.

They run in many processes, so nothing here imports torch: each starts in a second and stays small.
"""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from faceinpaint import telemetry
from faceinpaint.inference.ledger import contains
from faceinpaint.inference.work import doubt, examine, finish, pack, unpack
from faceinpaint.storage import join, write_bytes

SHEETS = 2  # of a batch's pictures, the most doubtful ones, bring thumbnails for the report


def missing(known: ray.ObjectRef, keys: list[str]) -> np.ndarray:
    """Which of ``keys`` are not among the sorted digests ``known``: bool (len(keys),)."""
    return ~contains(ray.get(known), keys)


def examine_batch(batch: dict[str, np.ndarray], settings: ray.ObjectRef) -> dict[str, Any]:
    shared = ray.get(settings)
    rows = zip(batch["key"], batch["image"], batch["error"], strict=True)
    with telemetry.step("examine", len(batch["key"])):
        return {"work": pack([examine(str(key), image, error, shared) for key, image, error in rows])}


def finish_batch(batch: dict[str, np.ndarray], settings: ray.ObjectRef) -> dict[str, Any]:
    shared = ray.get(settings)
    with telemetry.step("finish", len(batch["work"])):
        works = [finish(work, shared) for work in unpack(batch["work"])]
    works.sort(key=lambda work: doubt(work.row), reverse=True)
    for work in works[SHEETS:]:
        work.sheet = {}
    return {"work": pack(works)}


def write_rows(batch: dict[str, np.ndarray], output: str) -> dict[str, Any]:
    """Restored pictures of a block as one Parquet file, named after its keys: done twice, it is the same file."""
    works = unpack(batch["work"])
    good = [work for work in works if work.picture]
    if good:
        keys = [work.row["key"] for work in good]
        name = f"restored-{hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:16]}.parquet"
        sink = io.BytesIO()
        pq.write_table(pa.table({"key": keys, "image": [work.picture for work in good]}), sink)
        write_bytes(join(output, name), sink.getvalue())
        for work in good:
            work.row["output"], work.picture = name, b""
    return {"work": pack(works)}
