"""The pictures to judge: each with its hole, in batches that do not depend on how they were read.

Here for few pictures; :mod:`.stream` does the same on Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from faceinpaint.data.marked_holes import Reading, Subject, find_hole
from faceinpaint.data.mask_spec import MaskSpec, parse_masks
from faceinpaint.data.masks import Freeform, Squares
from faceinpaint.data.source import picture_tables
from faceinpaint.data.splits import matching_entry
from faceinpaint.data.user_masks import WHITE
from faceinpaint.errors import InputError
from faceinpaint.images import Crop, crop_to
from faceinpaint.photos.decode import decode_picture
from faceinpaint.storage import first_line

if TYPE_CHECKING:  # reading processes import neither it nor torch
    from faceinpaint.evaluation.plan import Plan

BATCH = 32  # pictures a network sees together; the last batch may be smaller
COLUMNS = ("key", "image", "hole", "error")


def batches_here(plan: Plan) -> Iterator[dict[str, np.ndarray]]:
    """Batches as :func:`.stream.picture_batches` makes them, read by this process, which holds all pictures."""
    prepared = preparation(plan)
    rows = [
        prepared(row)
        for table in picture_tables(plan.data, number=False)
        for row in table.to_pylist()
        if is_wanted(row, plan.keys)
    ]
    rows.sort(key=lambda row: row["key"])
    for start in range(0, len(rows), BATCH):
        columns = {name: np.empty(len(rows[start : start + BATCH]), object) for name in COLUMNS}
        for i, row in enumerate(rows[start : start + BATCH]):
            for name, values in columns.items():
                values[i] = row[name]
        yield columns


def is_wanted(row: dict[str, Any], keys: frozenset[str] | None) -> bool:
    """Whether a row's picture is of the split with these keys; None: there is no split."""
    return keys is None or matching_entry(row["key"], keys) is not None


def preparation(plan: Plan) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """:func:`prepare` with the plan's holes and sizes."""
    reading = Reading(polarity=plan.mask_polarity, frame=plan.mask_frame)
    return partial(prepare, masks=parse_masks(plan.masks), reading=reading, size=plan.size, crop=plan.crop)


def prepare(row: dict[str, Any], masks: MaskSpec, reading: Reading, size: int, crop: Crop | None) -> dict[str, Any]:
    """Decode one picture, give it its hole, cut and scale both to (size, size); ``error`` is empty or says what failed.

    Generated holes are drawn on the scaled picture; mask pictures belong to the whole picture.
    """
    key = row["key"]
    try:
        if row["image"] is None:
            raise InputError(row.get("error") or "no picture")
        seen = decode_picture(row["image"])
        picture = crop_to(seen.rgb, size, crop)
        if isinstance(masks, Squares | Freeform):
            hole = find_hole(masks, Subject(key=key, picture=picture), reading, size).pixels
        else:
            subject = Subject(key=key, picture=seen.rgb, orientation=seen.orientation)
            whole = find_hole(masks, subject, reading, size).pixels
            hole = (crop_to(whole * np.uint8(255), size, crop) >= WHITE).astype(np.uint8)
        if not hole.any():
            raise InputError("the hole is empty after cropping")
        if hole.all():
            raise InputError("nothing but the hole is left after cropping")
    except (InputError, OSError) as error:  # of a mask that storage does not give
        return {"key": key, "image": b"", "hole": b"", "error": first_line(error)}
    return {"key": key, "image": picture.tobytes(), "hole": hole.tobytes(), "error": ""}
