"""Examining pictures in a process of their own, after one has killed a worker."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from faceinpaint import telemetry
from faceinpaint.errors import JobError
from faceinpaint.held import held
from faceinpaint.inference.document import examine
from faceinpaint.inference.given import Given, inputs
from faceinpaint.inference.travel import Examined, pack

DEATHS = 2  # of its process, after which a picture is given up


def examine_apart(batch: dict[str, np.ndarray], settings: Any) -> dict[str, Any]:
    """As the pipeline's examining step, but a picture that kills its process twice gets a row that says so."""
    shared = held(settings)
    examined: list[Examined] = []
    pool = spawned_pool()
    try:
        with telemetry.step("examine", len(batch["key"])):
            for given in inputs(batch, shared):
                for _ in range(DEATHS):
                    try:
                        examined.append(pool.submit(examine, *given).result())
                        break
                    except BrokenProcessPool:
                        pool = spawned_pool()
                else:
                    examined.append(_given_up(given))
    finally:
        pool.shutdown()
    return {"work": pack(examined)}


def spawned_pool() -> ProcessPoolExecutor:
    """One process that may die. Raises :class:`JobError` where none can be started: no picture is to blame for that."""
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool:
        raise JobError(
            "no process can be started to examine pictures apart: is there memory? A script of yours that calls "
            'faceinpaint must do so below `if __name__ == "__main__":`'
        ) from None
    return pool


def _given_up(given: Given) -> Examined:
    key, data, _, settings, stamp = given
    examined = examine(key, None, f"killed its process {DEATHS} times: quarantined", settings, stamp)
    # Where there is no stamp, a run that goes on knows an input by its bytes alone.
    examined.row.input_sha256 = None if data is None else hashlib.sha256(data).hexdigest()
    return examined
