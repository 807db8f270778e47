"""Ray Data stream of the pictures to judge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import ray.data

from faceinpaint.data.dataset import read_pictures
from faceinpaint.evaluation.pictures import BATCH, is_wanted, preparation

if TYPE_CHECKING:  # reading processes import neither it nor torch
    from faceinpaint.evaluation.plan import Plan


def picture_batches(plan: Plan) -> ray.data.Dataset:
    """Blocks of ``BATCH`` rows in the order of their keys: ``key``, ``image`` (uint8 RGB), ``hole`` and ``error``.

    The same pictures make the same blocks whatever the order of the source and the number of workers, so that every
    network sees the same batches and every sum is taken in the same order: results are equal to the last bit.
    """
    pictures = read_pictures(plan.data, number=False)  # two of one key are refused, see driver
    if plan.keys is not None:
        pictures = pictures.filter(partial(is_wanted, keys=plan.keys))
    rows = pictures.map(preparation(plan))
    rows.context.execution_options.preserve_order = True
    return rows.sort("key").repartition(target_num_rows_per_block=BATCH, strict=True)
