"""The pipeline's steps around the model, on batches, as Ray Data runs them or this process.

They run in many processes, so nothing here imports torch: each starts in a second and stays small.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from faceinpaint import telemetry
from faceinpaint.held import held
from faceinpaint.inference.document import examine, finish, planned
from faceinpaint.inference.given import inputs
from faceinpaint.inference.outputs import write_pictures
from faceinpaint.inference.row import doubt
from faceinpaint.inference.table import contains
from faceinpaint.inference.thumbs import DRY_THUMBS, THUMBS, shaded, write_thumb
from faceinpaint.inference.travel import Finished, pack, unpack
from faceinpaint.memory import keep_freed

SHEETS = 2  # of a batch's pictures, the most doubtful ones, bring their faces to the report


def missing(known: Any, keys: list[str]) -> np.ndarray:
    """Which of ``keys`` are not among the sorted digests ``known`` (or a reference to them): bool (len(keys),)."""
    return ~contains(held(known), keys)


def examine_batch(batch: dict[str, np.ndarray], settings: Any) -> dict[str, Any]:
    """Encoded pictures (key, image, error, stamp) -> a column ``work`` of packed examined ones.

    ``settings``: of the job, or a reference to them, here and below.
    """
    keep_freed()
    shared = held(settings)
    with telemetry.step("examine", len(batch["key"])):
        return {"work": pack([examine(*given) for given in inputs(batch, shared)])}


def finish_batch(batch: dict[str, np.ndarray], settings: Any) -> dict[str, Any]:
    """Painted pictures, packed -> finished ones, the most doubtful first; writes files and thumbnails."""
    keep_freed()
    shared = held(settings)
    with telemetry.step("finish", len(batch["work"])):
        pictures = [finish(painted, shared) for painted in unpack(batch["work"])]
        for finished in pictures:
            if finished.sheet:
                shown = [finished.sheet[name] for name in ("before", "hole", "after")]
                write_thumb(shared.output, THUMBS, finished.row.key, shown)
    pictures.sort(key=lambda finished: doubt(finished.row), reverse=True)
    return {"work": pack(pictures[:SHEETS] + [replace(finished, sheet={}) for finished in pictures[SHEETS:]])}


def plan_batch(batch: dict[str, np.ndarray], settings: Any) -> dict[str, Any]:
    """A dry run's end of examined pictures: their rows, and what the model would see as thumbnails."""
    shared = held(settings)
    plans = []
    for examined in unpack(batch["work"]):
        row = examined.row
        if row.status is None:
            row.status, row.reason = planned(examined)
            seen = [shaded(examined.thumbnails["before"], examined.thumbnails["hole"])]
            if examined.plan.crops is not None:
                seen.append(shaded(examined.plan.crops[0], examined.plan.holes[0]))
            write_thumb(shared.output, DRY_THUMBS, row.key, seen)
        plans.append(Finished(row=row))
    return {"work": pack(plans)}


def write_block(batch: dict[str, np.ndarray], output: str) -> dict[str, Any]:
    """Restored pictures of a block as one Parquet file, named after its keys: done twice, it is the same file."""
    pictures: list[Finished] = unpack(batch["work"])
    good = [finished for finished in pictures if finished.picture]
    if good:
        table = {"key": [finished.row.key for finished in good], "image": [finished.picture for finished in good]}
        name = write_pictures(output, pa.table(table))
        for finished in good:
            finished.row.output = name
    return {"work": pack([replace(finished, picture=b"") for finished in pictures])}
