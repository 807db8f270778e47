"""Ray Data stream of the pictures to judge, in batches that do not depend on how they were read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import ray.data

from faceinpaint.data.dataset import read_pictures
from faceinpaint.data.marked_holes import Reading, Subject, find_hole
from faceinpaint.data.mask_spec import MaskSpec, parse_masks
from faceinpaint.data.masks import Freeform, Squares
from faceinpaint.data.splits import matching_entry
from faceinpaint.data.user_masks import WHITE
from faceinpaint.errors import InputError
from faceinpaint.images import Crop, crop_to
from faceinpaint.photos.decode import decode_picture

if TYPE_CHECKING:  # reading processes import neither it nor torch
    from faceinpaint.evaluation.plan import Plan

BATCH = 32  # pictures a network sees together; the last batch may be smaller


def picture_batches(plan: Plan) -> ray.data.Dataset:
    """Blocks of ``BATCH`` rows in the order of their keys: ``key``, ``image`` (uint8 RGB), ``hole`` and ``error``.

    The same pictures make the same blocks whatever the order of the source and the number of workers, so that every
    network sees the same batches and every sum is taken in the same order: results are equal to the last bit.
    """
    pictures = read_pictures(plan.data)
    if plan.keys is not None:
        pictures = pictures.filter(lambda row, keys=plan.keys: matching_entry(row["key"], keys) is not None)
    reading = Reading(polarity=plan.mask_polarity, frame=plan.mask_frame)
    rows = pictures.map(
        partial(prepare, masks=parse_masks(plan.masks), reading=reading, size=plan.size, crop=plan.crop)
    )
    rows.context.execution_options.preserve_order = True
    return rows.sort("key").repartition(target_num_rows_per_block=BATCH, strict=True)


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
            hole = (crop_to(np.repeat(whole[..., None] * 255, 3, axis=2), size, crop)[..., 0] >= WHITE).astype(np.uint8)
        if not hole.any():
            raise InputError("the hole is empty after cropping")
    except InputError as error:
        return {"key": key, "image": b"", "hole": b"", "error": str(error)}
    return {"key": key, "image": picture.tobytes(), "hole": hole.tobytes(), "error": ""}
