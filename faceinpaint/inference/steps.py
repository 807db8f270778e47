"""The pipeline's steps around the model, as Ray Data runs them on batches.

They run in many processes, so nothing here imports torch: each starts in a second and stays small.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from faceinpaint import telemetry
from faceinpaint.inference.given import inputs
from faceinpaint.inference.ledger import contains
from faceinpaint.inference.work import Finished, doubt, examine, finish, pack, unpack
from faceinpaint.storage import join, write_bytes

SHEETS = 2  # of a batch's pictures, the most doubtful ones, bring thumbnails for the report


def missing(known: ray.ObjectRef, keys: list[str]) -> np.ndarray:
    """Which of ``keys`` are not among the sorted digests ``known``: bool (len(keys),)."""
    return ~contains(ray.get(known), keys)


def examine_batch(batch: dict[str, np.ndarray], settings: ray.ObjectRef) -> dict[str, Any]:
    shared = ray.get(settings)
    with telemetry.step("examine", len(batch["key"])):
        return {"work": pack([examine(*given) for given in inputs(batch, shared)])}


def finish_batch(batch: dict[str, np.ndarray], settings: ray.ObjectRef) -> dict[str, Any]:
    shared = ray.get(settings)
    with telemetry.step("finish", len(batch["work"])):
        pictures = [finish(painted, shared) for painted in unpack(batch["work"])]
    pictures.sort(key=lambda finished: doubt(finished.row), reverse=True)
    return {"work": pack(pictures[:SHEETS] + [replace(finished, sheet={}) for finished in pictures[SHEETS:]])}


def write_rows(batch: dict[str, np.ndarray], output: str) -> dict[str, Any]:
    """Restored pictures of a block as one Parquet file, named after its keys: done twice, it is the same file."""
    pictures: list[Finished] = unpack(batch["work"])
    good = [finished for finished in pictures if finished.picture]
    if good:
        keys = [finished.row.key for finished in good]
        name = f"restored-{hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:16]}.parquet"
        sink = io.BytesIO()
        pq.write_table(pa.table({"key": keys, "image": [finished.picture for finished in good]}), sink)
        write_bytes(join(output, name), sink.getvalue())
        for finished in good:
            finished.row.output = name
    return {"work": pack([replace(finished, picture=b"") for finished in pictures])}
