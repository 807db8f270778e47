"""Bulk restoration: an archive streams through both stages, and a ledger says what became of each input.

    read -> examine (decode, hole, faces, patches) -> paint (the model, batches over pictures) -> finish (encode, write)

Everything between is pictures' own bytes and small patches. What is in the ledger is done with: the same run started
again reads the ledger and does what is missing. Few pictures go this way in the job's own process, others on Ray.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faceinpaint.claim import claim
from faceinpaint.data.marked_holes import Reading
from faceinpaint.data.mask_spec import Detected, MaskSpec
from faceinpaint.data.places import FEW, is_parquet, is_small, note_numbered, works_here
from faceinpaint.inference.audit import bring_up_to_date
from faceinpaint.inference.gallery import Gallery
from faceinpaint.inference.ledger import Ledger
from faceinpaint.inference.lock import NOTE, run_lock
from faceinpaint.inference.options import Options, check_options, note_links
from faceinpaint.inference.outputs import drop_orphans
from faceinpaint.inference.progress import Progress
from faceinpaint.inference.report import told, write_report
from faceinpaint.inference.table import DIGESTS
from faceinpaint.inference.travel import Settings
from faceinpaint.inference.way import MODEL_BATCH, Source, Way
from faceinpaint.storage import check_writable, delete_parts

if TYPE_CHECKING:
    from faceinpaint.inference.inpainter import Inpainter

DRY_LEDGER = "_job/dry-run/ledger"
PASSES = 4


def restore(options: Options | None = None, /, **fields: Any) -> dict[str, int]:
    """Restore an archive; returns the number of ledger rows by status, rows of earlier runs included.

    Takes :class:`Options`, or their fields as keywords; with both, the keywords count. Rows of inputs that are gone
    count apart, as "gone". Raises :class:`InputError` for unusable arguments, :class:`JobError` when Ray cannot start,
    and ``RuntimeError`` when the job could not account for every input.
    """
    options = (Options(**fields) if options is None else replace(options, **fields)).with_full_paths()
    masks = check_options(options)
    settings, way = _prepare(options, masks)
    check_writable(options.output)
    for note in (note_links(options.input), note_numbered(options.input)):
        if note:
            print(note, flush=True)
    with run_lock(options.output):
        if options.dry_run:
            return _dry_run(options, settings, way)
        claim(options.output, NOTE, _identity(options, settings), harmless=["dry-run.html"])
        return _run(options, settings, way)


def _prepare(options: Options, masks: MaskSpec) -> tuple[Settings, Way]:
    """What pictures need to know, and how they go. Raises :class:`InputError` for weights that cannot be loaded."""
    assert options.weights is not None, "with_full_paths finds them"
    few = is_small(options.input, FEW)
    source = Source(
        input=options.input,
        weights=options.weights,
        precision=options.precision,
        cpus=options.cpus_per_worker,
        dry_run=options.dry_run,
        model_batch=1 if few else MODEL_BATCH,
        sensitivity=options.sensitivity if isinstance(masks, Detected) else None,
    )
    if works_here(options.input, options.workers, options.gpus_per_worker):
        from faceinpaint.inference.here import Here  # torch takes seconds

        settings, inpainter = _load(options, masks)
        return settings, Here(source, settings, inpainter)
    with ThreadPoolExecutor(1) as pool:  # torch is imported, and the weights are checked, while Ray starts
        loaded = pool.submit(_load, options, masks)
        from faceinpaint.inference.on_ray import OnRay
        from faceinpaint.ray_session import connect

        connect()
        settings, _ = loaded.result()
    # A second process would cost few pictures more time than it saves.
    processes = options.workers or (1 if options.gpus_per_worker or few else 2)
    return settings, OnRay(source, settings, processes, options.gpus_per_worker)


def _load(options: Options, masks: MaskSpec) -> tuple[Settings, Inpainter]:
    """What pictures need to know, and the model as this process would use it."""
    from faceinpaint.inference.inpainter import Inpainter  # torch takes seconds

    device = None if options.gpus_per_worker and options.workers == 0 else "cpu"
    inpainter = Inpainter.load(options.weights, device=device, precision=options.precision)
    settings = Settings(
        output=options.output,
        masks=masks,
        reading=Reading(polarity=options.mask_polarity, frame=options.mask_frame, grow=options.grow_holes),
        image_size=inpainter.image_size,
        alignment=inpainter.config.alignment,
        no_face=options.no_face,
        as_png=options.format == "png",
        as_rows=is_parquet(options.input),
        keep_masks=options.keep_masks,
        credentials=options.credentials,
        model_sha256=inpainter.model_sha256,
    )
    return settings, inpainter


def _identity(options: Options, settings: Settings) -> dict[str, Any]:
    """What decides a job's results: another job on the same output is refused."""
    names = (
        "input", "masks", "mask_polarity", "mask_frame", "grow_holes", "no_face", "format", "keep_masks", "precision",
    )  # fmt: skip
    found_by = {}
    if isinstance(settings.masks, Detected):
        from faceinpaint.inference.detector import check_detector  # torch takes seconds

        found_by["detector"] = check_detector(options.weights, options.sensitivity)
    signed_by = {"credentials_certificate": options.credentials_certificate} if options.credentials else {}
    known = {name: getattr(options, name) for name in names} | {"model_sha256": settings.model_sha256}
    known["mask_polarity"] = options.mask_polarity or "white-is-hole"  # who states it later goes on
    return known | found_by | signed_by


def _run(options: Options, settings: Settings, way: Way) -> dict[str, int]:
    ledger, gallery = Ledger(options.output), Gallery(options.output)
    progress = Progress(way.counting)
    apart = False
    for attempt in range(PASSES):
        done = _open(options, settings, ledger, gallery, way, again=attempt > 0)
        if attempt == 0:
            progress.begin(ledger)
        try:
            _pass(way, ledger, gallery, progress, done, apart)
        except way.crashes as error:
            if attempt == PASSES - 1:
                raise
            _tell_of(error)
            ledger.flush()
            apart = True
            continue
        if ledger.rows == progress.total() or ledger.rows == progress.count_again():
            break
        print("inputs came or went meanwhile: looking again", flush=True)
    delete_parts(options.output)  # of workers that died
    groups = write_report(options.output, ledger, gallery, progress.rate(ledger), settings.alignment)
    for line in told(groups, dry=False):
        print(line, flush=True)
    progress.close(ledger)
    if ledger.rows != progress.total():
        raise RuntimeError(f"{progress.total()} inputs, but {ledger.rows} ledger rows: they keep changing; run again")
    return {status: count for status, count in ledger.counts.items() if count}


def _open(options: Options, settings: Settings, ledger: Ledger, gallery: Gallery, way: Way, again: bool) -> Any:
    """Make the ledger one of the inputs as they are now; a reference to the digests of those that are done with."""
    known = ledger.open(drop_failed=options.retry_failed and not again)
    if len(known):
        changes = bring_up_to_date(options.output, options.input, settings.masks, ledger, settings.as_rows, way)
        if changes:
            gallery.forget(changes.changed)
            known = ledger.open()
        if changes.changed or changes.gone or changes.back:
            print(changes, flush=True)
    if settings.as_rows:
        drop_orphans(options.output, ledger)
    # On Ray in the object store alone: sixteen bytes per input are much for a driver that holds them to the end.
    return way.share(known)


def _pass(way: Way, ledger: Ledger, gallery: Gallery, progress: Progress, done: Any, apart: bool) -> None:
    """Stream what is not ``done`` through the pipeline into the ledger; flushes as it goes and at the end."""
    try:
        for finished in way.stream(done, apart):
            ledger.add([each.row for each in finished])
            gallery.add(finished)
            if progress.show(ledger):
                ledger.flush()
    finally:
        ledger.flush()
        gallery.save()


def _tell_of(crash: Exception) -> None:
    print(f"workers died ({type(crash).__name__}): going on with one picture at a time", flush=True)


def _dry_run(options: Options, settings: Settings, way: Way) -> dict[str, int]:
    """Examine everything, say what would happen, restore nothing."""
    gallery, progress = Gallery(options.output, dry=True), Progress(way.counting)
    ledger = Ledger(options.output, DRY_LEDGER)
    for apart in (False, True):
        ledger.clear()
        try:
            for plans in way.stream(way.share(np.empty(0, DIGESTS)), apart):
                ledger.add([plan.row for plan in plans])
                progress.show(ledger)
            break
        except way.crashes as error:
            if apart:
                raise
            _tell_of(error)
    ledger.flush()
    groups = write_report(options.output, ledger, gallery, progress.rate(ledger), settings.alignment)
    for line in told(groups, dry=True):
        print(line, flush=True)
    progress.close(ledger)
    return {status: count for status, count in ledger.counts.items() if count}
