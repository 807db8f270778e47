"""Bulk detection: proposes a mask of the damage in each picture of an archive, for a person to review.

    read -> find (decode, detect, propose) -> write (mask, row, page)

What is in the table of proposals is done with: the same run started again does what is missing, and inputs that have
changed anew. Few pictures go this way in the job's own process, others on Ray.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from faceinpaint.claim import claim
from faceinpaint.data.places import is_small, list_keys, note_numbered, works_here
from faceinpaint.inference.detect_again import bring_up_to_date
from faceinpaint.inference.lock import NOTE, run_lock
from faceinpaint.inference.options import check_places, note_links
from faceinpaint.inference.progress import Progress
from faceinpaint.inference.proposals import ProposalRow, ProposalTable
from faceinpaint.inference.review_sheet import ReviewSheet
from faceinpaint.inference.table import contains
from faceinpaint.inference.way import Way
from faceinpaint.models.find_weights import find_weights
from faceinpaint.storage import absolute, check_writable, join, write_bytes

ONE_PROCESS = 8  # pictures from which on Ray gets a second one
PASSES = 3


@dataclass(frozen=True, kw_only=True)
class DetectOptions:
    """How bulk detection works; the fields are the flags of ``faceinpaint detect``."""

    input: str
    output: str
    weights: str | None = None  # None: what $FACEINPAINT_WEIGHTS names
    sensitivity: float = 0.5  # 0 marks least, 1 most
    workers: int | None = None  # 0: all in this process, as with None up to 32 pictures; else 2, with GPUs 1
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
    digest, way = _prepare(options)
    check_writable(options.output)
    for note in (note_links(options.input), note_numbered(options.input)):
        if note:
            print(note, flush=True)
    with run_lock(options.output):
        claim(options.output, NOTE, {"input": options.input, "detector": digest})
        return _run(options, way)


def _prepare(options: DetectOptions) -> tuple[str, Way]:
    """What decides the results, and how pictures go. Raises :class:`InputError` for weights that cannot be loaded."""
    uri, weights, cpus, gpus = options.input, options.weights, options.cpus_per_worker, options.gpus_per_worker
    assert weights is not None, "they have been found"
    if works_here(uri, options.workers, gpus):
        from faceinpaint.inference.detect_here import DetectHere  # torch takes seconds

        return _checked(options), DetectHere(uri, options.output, weights, options.sensitivity, cpus, gpus > 0)
    with ThreadPoolExecutor(1) as pool:  # torch is imported, and the weights are checked, while Ray starts
        checked = pool.submit(_checked, options)
        from faceinpaint.inference.detect_on_ray import DetectOnRay
        from faceinpaint.ray_session import connect

        connect()
        digest = checked.result()
    processes = options.workers or (1 if gpus or is_small(uri, ONE_PROCESS) else 2)
    return digest, DetectOnRay(uri, weights, options.sensitivity, processes, cpus, gpus)


def _checked(options: DetectOptions) -> str:
    """What decides the results, with nothing wrong in it."""
    from faceinpaint.inference.detector import check_detector  # torch takes seconds

    return check_detector(options.weights, options.sensitivity)


def _run(options: DetectOptions, way: Way) -> dict[str, int]:
    table, sheet, progress = ProposalTable(options.output), ReviewSheet(options.output), Progress(way.counting)
    for attempt in range(PASSES):
        done = way.share(_open(options, table, sheet, way))
        if attempt == 0:
            progress.begin(table)
        try:
            for found in way.stream(done, apart=attempt > 0):
                for each in found:
                    _keep_mask(options.output, each)
                table.add([each.row for each in found])
                sheet.add(found)
                if progress.show(table):
                    table.flush()
            break
        except way.crashes as error:
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


def _open(options: DetectOptions, table: ProposalTable, sheet: ReviewSheet, way: Way) -> np.ndarray:
    """Make the table one of the inputs as they are now; the digests of those that are done with."""
    known = table.open()
    if not len(known):
        return known
    again = bring_up_to_date(options.output, options.input, table, sheet, way)
    if again.fresh or again.kept:
        print(again, flush=True)
    return table.open()


def _check_complete(source: str, table: ProposalTable) -> None:
    """Raises ``RuntimeError`` when an input has no row; rows without an input are told."""
    known = table.open()
    keys = [key for key, _ in list_keys(source)]
    lacking = len(keys) - int(contains(known, keys).sum())
    if lacking:
        raise RuntimeError(f"{lacking} of {len(keys)} inputs have no row: did the input change meanwhile? Run again")
    print(f"{table.rows - len(keys)} rows are of inputs that are gone", flush=True)


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
