"""Bulk restoration: an archive streams through both stages with Ray Data, and a ledger says what became of each input.

    read -> examine (decode, hole, faces, patches) -> paint (the model, batches over pictures) -> finish (encode, write)

Everything between is pictures' own bytes and small patches. What is in the ledger is done with: the same run started
again reads the ledger and does what is missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, Dataset
from ray.exceptions import OutOfMemoryError, RayActorError, WorkerCrashedError
from ray.util.annotations import RayDeprecationWarning

from faceinpaint.data.marked_holes import Reading
from faceinpaint.data.mask_spec import MaskSpec
from faceinpaint.data.places import is_parquet, is_small
from faceinpaint.data.source import read_pictures
from faceinpaint.inference.audit import bring_up_to_date
from faceinpaint.inference.gallery import Gallery
from faceinpaint.inference.ledger import DIGESTS, Ledger
from faceinpaint.inference.lock import claim, run_lock
from faceinpaint.inference.options import Options, check_options, note_links
from faceinpaint.inference.outputs import drop_orphans
from faceinpaint.inference.progress import Progress
from faceinpaint.inference.quarantine import examine_apart
from faceinpaint.inference.report import told, write_report
from faceinpaint.inference.steps import examine_batch, finish_batch, missing, plan_batch, write_rows
from faceinpaint.inference.work import Finished, Settings, unpack
from faceinpaint.ray_session import connect
from faceinpaint.storage import check_writable, delete_parts

PICTURES = 32  # that travel together
PARQUET_ROWS = 512  # of an output file
DRY_LEDGER = "_job/dry-run/ledger"
CRASHES = 3  # of workers that a pass outlives; then pictures are examined apart from each other
PASSES = 4


def restore(options: Options | None = None, /, **fields: Any) -> dict[str, int]:
    """Restore an archive; returns the number of ledger rows by status, rows of earlier runs included.

    Takes :class:`Options`, or their fields as keywords; with both, the keywords count. Rows of inputs that are gone
    count apart, as "gone". Raises :class:`InputError` for unusable arguments, :class:`JobError` when Ray cannot start,
    and ``RuntimeError`` when the job could not account for every input.
    """
    options = (Options(**fields) if options is None else replace(options, **fields)).with_full_paths()
    masks = check_options(options)
    with ThreadPoolExecutor(1) as pool:  # torch is imported, and the weights are checked, while Ray starts
        loaded = pool.submit(_settings, options, masks)
        connect()
        settings = loaded.result()
    check_writable(options.output)
    note = note_links(options.input)
    if note:
        print(note, flush=True)
    with run_lock(options.output):
        if options.dry_run:
            return _dry_run(options, settings)
        claim(options.output, _identity(options, settings))
        return _run(options, settings)


def _settings(options: Options, masks: MaskSpec) -> Settings:
    """What pictures need to know. Raises :class:`InputError` for weights that cannot be loaded."""
    from faceinpaint.inference.inpainter import Inpainter  # torch takes seconds

    inpainter = Inpainter.load(options.weights, device="cpu")
    return Settings(
        output=options.output,
        masks=masks,
        reading=Reading(polarity=options.mask_polarity, frame=options.mask_frame, grow=options.grow_holes),
        image_size=inpainter.image_size,
        alignment=inpainter.config.alignment,
        no_face=options.no_face,
        as_png=options.format == "png",
        as_rows=is_parquet(options.input),
        keep_masks=options.keep_masks,
        model_sha256=inpainter.model_sha256,
    )


def _identity(options: Options, settings: Settings) -> dict[str, Any]:
    """What decides a job's results: another job on the same output is refused."""
    how = ("mask_polarity", "mask_frame", "grow_holes", "no_face", "format", "keep_masks", "precision")
    names = ("input", "masks", *how)
    return {name: getattr(options, name) for name in names} | {"model_sha256": settings.model_sha256}


def _run(options: Options, settings: Settings) -> dict[str, int]:
    ledger, gallery = Ledger(options.output), Gallery(options.output)
    progress = Progress(options.input)
    apart = False
    for attempt in range(PASSES):
        done = _open(options, settings, ledger, gallery, again=attempt > 0)
        if attempt == 0:
            progress.begin(ledger)
        try:
            _pass(options, settings, ledger, gallery, progress, done, apart)
        except (WorkerCrashedError, RayActorError, OutOfMemoryError) as error:
            if attempt == PASSES - 1:
                raise
            print(f"workers died ({type(error).__name__}): going on with one picture at a time", flush=True)
            ledger.flush()
            apart = True
            continue
        if ledger.rows in (progress.total(), progress.count_again()):
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


def _open(options: Options, settings: Settings, ledger: Ledger, gallery: Gallery, again: bool) -> ray.ObjectRef:
    """Make the ledger one of the inputs as they are now; a reference to the digests of those that are done with."""
    known = ledger.open(drop_failed=options.retry_failed and not again)
    if len(known):
        changes = bring_up_to_date(options.output, options.input, settings.masks, ledger, settings.as_rows)
        if changes:
            gallery.forget(changes.changed)
            known = ledger.open()
        if changes.changed or changes.gone or changes.back:
            print(changes, flush=True)
    if settings.as_rows:
        drop_orphans(options.output, ledger)
    # In the object store alone: sixteen bytes an input are much for a driver that holds them to the end.
    return ray.put(known)


def _pass(
    options: Options,
    settings: Settings,
    ledger: Ledger,
    gallery: Gallery,
    progress: Progress,
    done: ray.ObjectRef,
    apart: bool,
) -> None:
    """Stream what is not ``done`` through the pipeline into the ledger; flushes as it goes and at the end."""
    try:
        for finished in _stream(options, settings, done, apart):
            ledger.add([each.row for each in finished])
            gallery.add(finished)
            if progress.show(ledger):
                ledger.flush()
    finally:
        ledger.flush()
        gallery.save()


def _stream(options: Options, settings: Settings, done: ray.ObjectRef, apart: bool = False) -> Iterator[list[Finished]]:
    """Finished pictures, some at a time."""
    with warnings.catch_warnings():
        # Ray 2.60 has no named parameter for a task's crash budget, and warns of the unnamed one.
        warnings.filterwarnings("ignore", message=".*ray_remote_args", category=RayDeprecationWarning)
        works = _pipeline(options, settings, done, apart)
    for batch in works.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
        yield unpack(batch["work"]) if "work" in batch else []


def _pipeline(options: Options, settings: Settings, done: ray.ObjectRef, apart: bool) -> Dataset:
    """Read, examine, paint, finish: a column ``work``. A dry run plans instead of painting."""
    shared = ray.put(settings)
    look = examine_apart if apart else examine_batch
    task: dict[str, Any] = {"batch_format": "numpy", "num_cpus": 0.5, "max_retries": CRASHES}
    pictures = read_pictures(options.input, wanted=partial(missing, done))
    works = pictures.map_batches(partial(look, settings=shared), batch_size=PICTURES, **task)
    if options.dry_run:
        return works.map_batches(partial(plan_batch, settings=shared), batch_size=PICTURES, **task)
    works = _paint(works, options).map_batches(partial(finish_batch, settings=shared), batch_size=PICTURES, **task)
    if not settings.as_rows:
        return works
    blocks = works.repartition(target_num_rows_per_block=PARQUET_ROWS)
    return blocks.map_batches(partial(write_rows, output=options.output), batch_size=None, **task)


def _paint(works: Dataset, options: Options) -> Dataset:
    from faceinpaint.inference.painter import Painter  # torch takes seconds

    resources: dict[str, Any] = {"num_cpus": options.cpus_per_worker}
    if options.gpus_per_worker:
        resources["num_gpus"] = options.gpus_per_worker
    return works.map_batches(
        Painter,
        fn_constructor_args=(
            options.weights,
            options.precision,
            round(options.cpus_per_worker),
            options.gpus_per_worker > 0,
        ),
        batch_size=PICTURES,
        batch_format="numpy",
        compute=ActorPoolStrategy(size=_model_processes(options)),
        **resources,
    )


def _model_processes(options: Options) -> int:
    # A second one would cost few pictures more time than it saves.
    return options.workers or (1 if options.gpus_per_worker or is_small(options.input, PICTURES) else 2)


def _dry_run(options: Options, settings: Settings) -> dict[str, int]:
    """Examine everything, say what would happen, restore nothing."""
    gallery, progress = Gallery(options.output, dry=True), Progress(options.input)
    ledger = Ledger(options.output, DRY_LEDGER)
    ledger.open()
    ledger.clear()
    for plans in _stream(options, settings, ray.put(np.empty(0, DIGESTS))):
        ledger.add([plan.row for plan in plans])
        progress.show(ledger)
    ledger.flush()
    groups = write_report(options.output, ledger, gallery, progress.rate(ledger), settings.alignment)
    for line in told(groups, dry=True):
        print(line, flush=True)
    progress.close(ledger)
    return {status: count for status, count in ledger.counts.items() if count}
