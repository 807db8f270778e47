"""Bulk detection: proposes a mask of the damage in each picture of an archive, for a person to review.

    read -> find (decode, detect, propose) -> write (mask, row, page)

What is in the table of proposals is done with: the same run started again does what is missing.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy
from ray.exceptions import OutOfMemoryError, RayActorError, WorkerCrashedError
from ray.util.annotations import RayDeprecationWarning

from faceinpaint.claim import claim
from faceinpaint.data.dataset import counting, read_pictures
from faceinpaint.data.places import is_small, list_keys
from faceinpaint.inference.lock import NOTE, run_lock
from faceinpaint.inference.options import check_places
from faceinpaint.inference.progress import Progress
from faceinpaint.inference.proposals import ProposalRow, ProposalTable
from faceinpaint.inference.review_sheet import ReviewSheet
from faceinpaint.inference.steps import missing
from faceinpaint.inference.table import contains
from faceinpaint.models.find_weights import find_weights
from faceinpaint.ray_session import connect
from faceinpaint.storage import absolute, check_writable, join, write_bytes

PICTURES = 8  # that travel together: a large one takes seconds
PASSES = 3


@dataclass(frozen=True, kw_only=True)
class DetectOptions:
    """How bulk detection works; the fields are the flags of ``faceinpaint detect``."""

    input: str
    output: str
    weights: str | None = None  # None: what $FACEINPAINT_WEIGHTS names
    sensitivity: float = 0.5  # 0 marks least, 1 most
    workers: int | None = None  # None: 2; 1 with GPUs or few pictures
    cpus_per_worker: float = 1
    gpus_per_worker: float = 0


def detect(options: DetectOptions | None = None, /, **fields: Any) -> dict[str, int]:
    """Propose masks for an archive; returns the number of rows by status, rows of earlier runs included.

    Raises :class:`InputError` for unusable arguments, and ``RuntimeError`` when an input has no row in the end.
    """
    options = DetectOptions(**fields) if options is None else replace(options, **fields)
    options = replace(
        options,
        input=absolute(options.input),
        output=absolute(options.output),
        weights=find_weights(options.weights),
    )
    check_places(options.input, options.output, options.weights)
    with ThreadPoolExecutor(1) as pool:  # torch is imported, and the weights are checked, while Ray starts
        checked = pool.submit(_checked, options)
        connect()
        digest = checked.result()
    check_writable(options.output)
    with run_lock(options.output):
        claim(options.output, NOTE, {"input": options.input, "detector": digest})
        return _run(options)


def _checked(options: DetectOptions) -> str:
    """What decides the results, with nothing wrong in it."""
    from faceinpaint.inference.detector import check_detector  # torch takes seconds

    return check_detector(options.weights, options.sensitivity)


def _run(options: DetectOptions) -> dict[str, int]:
    table, sheet, progress = (
        ProposalTable(options.output),
        ReviewSheet(options.output),
        Progress(partial(counting, options.input)),
    )
    for attempt in range(PASSES):
        done = ray.put(table.open())
        if attempt == 0:
            progress.begin(table)
        try:
            for found in _stream(options, done, apart=attempt > 0):
                for each in found:
                    _keep_mask(options.output, each)
                table.add([each.row for each in found])
                sheet.add(found)
                if progress.show(table):
                    table.flush()
            break
        except (WorkerCrashedError, RayActorError, OutOfMemoryError) as error:
            if attempt == PASSES - 1:
                raise
            print(f"workers died ({type(error).__name__}): going on, decoding apart", flush=True)
        finally:
            table.flush()
            sheet.save()
    total = progress.total()
    sheet.write_page(table.counts)
    progress.close(table)
    if table.rows != total:
        _check_complete(options.input, table)
    return dict(table.counts)


def _check_complete(source: str, table: ProposalTable) -> None:
    """Raises ``RuntimeError`` when an input has no row; rows without an input are told."""
    known = table.open()
    keys = [key for key, _ in list_keys(source)]
    lacking = len(keys) - int(contains(known, keys).sum())
    if lacking:
        raise RuntimeError(f"{lacking} of {len(keys)} inputs have no row: did the input change meanwhile? Run again")
    print(f"{table.rows - len(keys)} rows are of inputs that are gone", flush=True)


def _stream(options: DetectOptions, done: ray.ObjectRef, apart: bool) -> Iterator[list[Any]]:
    """What was found, some pictures at a time."""
    pictures = read_pictures(options.input, wanted=partial(missing, done))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*ray_remote_args", category=RayDeprecationWarning)
        few = options.gpus_per_worker or is_small(options.input, PICTURES)
        processes = options.workers or (1 if few else 2)
        resources = (processes, options.cpus_per_worker, options.gpus_per_worker)
        found = find(pictures, find_weights(options.weights), options.sensitivity, *resources, apart)
        works = found.map_batches(_only_found, batch_size=None, batch_format="numpy", num_cpus=0.1)
    for batch in works.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
        yield [pickle.loads(found) for found in batch["found"]] if "found" in batch else []


def _only_found(batch: dict[str, np.ndarray]) -> dict[str, Any]:
    """Without the pictures' own bytes: the driver needs none."""
    return {"found": batch["found"]}


def find(
    pictures: ray.data.Dataset,
    weights: str,
    sensitivity: float,
    processes: int,
    cpus: float = 1,
    gpus: float = 0,
    apart: bool = False,
) -> ray.data.Dataset:
    """Pictures with the column ``found``: see :class:`faceinpaint.inference.finder.Finder`.

    ``processes`` of the detector take ``cpus`` and ``gpus`` each.
    """
    from faceinpaint.inference.finder import Finder  # torch takes seconds

    resources: dict[str, Any] = {"num_cpus": cpus} | ({"num_gpus": gpus} if gpus else {})
    return pictures.map_batches(
        Finder,
        fn_constructor_args=(weights, sensitivity, round(cpus), gpus > 0, apart),
        batch_size=PICTURES,
        batch_format="numpy",
        compute=ActorPoolStrategy(size=processes),
        **resources,
    )


def _keep_mask(output: str, found: Any) -> None:
    """Write a proposed mask before its row is: a row promises the file."""
    row: ProposalRow = found.row
    if not found.png:
        return
    if {"", ".", ".."} & set(row.key.split("/")) or "\0" in row.key:
        row.status, row.reason = "failed", "the name is not a plain path below the output folder"
        return
    try:
        write_bytes(join(output, "masks", f"{row.key}.png"), found.png)
    except (OSError, ValueError) as error:
        row.status, row.reason = "failed", f"its mask cannot be written: {error}"
