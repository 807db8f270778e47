"""Bulk restoration: an archive streams through both stages with Ray Data, and a ledger says what became of each input.

    read -> examine (decode, hole, faces, patches) -> paint (the model, batches over pictures) -> finish (encode, write)

Everything between is pictures' own bytes and small patches. What is in the ledger is done with: the same run started
again reads the ledger and does what is missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import ray
from ray.data import ActorPoolStrategy, Dataset
from ray.exceptions import OutOfMemoryError, RayActorError, WorkerCrashedError
from ray.util.annotations import RayDeprecationWarning

from faceinpaint.data.mask_spec import Detected, absolute_masks, parse_masks
from faceinpaint.data.source import is_parquet, is_small, read_pictures
from faceinpaint.data.user_masks import Polarity
from faceinpaint.errors import InputError
from faceinpaint.inference.detect import check_detector, find
from faceinpaint.inference.gallery import Gallery
from faceinpaint.inference.ledger import DIGESTS, Ledger
from faceinpaint.inference.lock import claim, run_lock
from faceinpaint.inference.progress import Progress
from faceinpaint.inference.quarantine import examine_apart
from faceinpaint.inference.report import write_report
from faceinpaint.inference.steps import examine_batch, finish_batch, missing, write_rows
from faceinpaint.inference.work import Examined, Finished, Settings, unpack
from faceinpaint.ray_session import connect
from faceinpaint.storage import absolute, check_writable, delete, join, top_names

PICTURES = 32  # that travel together
PARQUET_ROWS = 512  # of an output file
CRASHES = 3  # of workers that a pass outlives; then pictures are examined apart from each other
PASSES = 4


@dataclass(frozen=True, kw_only=True)
class Options:
    """How bulk restoration works; the fields are the flags of ``faceinpaint restore``."""

    input: str
    masks: str
    output: str
    weights: str
    workers: int | None = None  # None: 2; 1 with GPUs or a batch of pictures at most
    cpus_per_worker: float = 1  # threads of one process wait for each other when a decoder takes a core
    gpus_per_worker: float = 0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    mask_polarity: Polarity = "white-is-hole"
    sensitivity: float = 0.5  # of masks "detect": 0 marks least, 1 most
    no_face: Literal["skip", "classical", "crop"] = "classical"
    format: Literal["keep", "png"] = "keep"
    keep_masks: bool = False
    dry_run: bool = False
    retry_failed: bool = False


def restore(options: Options | None = None, /, **fields: Any) -> dict[str, int]:
    """Restore an archive; returns the number of ledger rows by status, rows of earlier runs included.

    Takes :class:`Options`, or their fields as keywords; with both, the keywords count.
    Raises :class:`InputError` for unusable arguments, and ``RuntimeError`` when the job could not account for every
    input.
    """
    options = Options(**fields) if options is None else replace(options, **fields)
    options = replace(
        options,
        input=absolute(options.input),
        output=absolute(options.output),
        weights=absolute(options.weights),
    )
    with ThreadPoolExecutor(1) as pool:  # torch is imported, and the weights are checked, while Ray starts
        checked = pool.submit(_check, options)
        connect()
        settings = checked.result()
    read_pictures(options.input)  # raises for what cannot be read
    check_writable(options.output)
    with run_lock(options.output):
        if options.dry_run:
            return _dry_run(options, settings)
        claim(options.output, _identity(options, settings))
        return _run(options, settings)


def _check(options: Options) -> Settings:
    """What pictures need to know; raises :class:`InputError` before anything is written."""
    from faceinpaint.inference.inpainter import Inpainter  # torch takes seconds

    inpainter = Inpainter.load(options.weights, device="cpu")
    rows = is_parquet(options.input)
    settings = Settings(
        output=options.output,
        masks=parse_masks(absolute_masks(options.masks)),
        polarity=options.mask_polarity,
        image_size=inpainter.image_size,
        alignment=inpainter.config.alignment,
        no_face=options.no_face,
        as_png=options.format == "png",
        as_rows=rows,
        keep_masks=options.keep_masks,
        model_sha256=inpainter.model_sha256,
    )
    if rows and options.keep_masks:
        raise InputError("--keep-masks writes files beside files: with Parquet, keep the masks you gave")
    inside, outside = options.output.rstrip("/") + "/", options.input.rstrip("/") + "/"
    if inside.startswith(outside) or outside.startswith(inside):
        raise InputError(f"--output {options.output} and --input {options.input} lie in each other: keep them apart")
    return settings


def _identity(options: Options, settings: Settings) -> dict[str, Any]:
    """What decides a job's results: another job on the same output is refused."""
    names = ("input", "masks", "mask_polarity", "no_face", "format", "keep_masks", "precision")
    found_by = {"detector": check_detector(options)} if isinstance(settings.masks, Detected) else {}
    return {name: getattr(options, name) for name in names} | {"model_sha256": settings.model_sha256} | found_by


def _run(options: Options, settings: Settings) -> dict[str, int]:
    ledger, gallery = Ledger(options.output), Gallery(options.output)
    progress = Progress(options.input)
    for attempt in range(PASSES):
        # In the object store alone: sixteen bytes an input are much for a driver that holds them to the end.
        done = ray.put(ledger.open(drop_failed=options.retry_failed and attempt == 0))
        if attempt == 0:
            progress.begin(ledger)
        if settings.as_rows:
            _drop_orphans(options.output, ledger)
        try:
            _pass(options, settings, ledger, gallery, progress, done, apart=attempt > 0)
            break
        except (WorkerCrashedError, RayActorError, OutOfMemoryError) as error:
            if attempt == PASSES - 1:
                raise
            print(f"workers died ({type(error).__name__}): going on with one picture at a time", flush=True)
            ledger.flush()
    total = progress.total()
    write_report(options.output, ledger, gallery, progress.rate(ledger), settings.alignment)
    progress.close(ledger)
    if ledger.rows != total:
        raise RuntimeError(f"{total} inputs, but {ledger.rows} ledger rows: did the input change meanwhile? Run again")
    return dict(ledger.counts)


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
        finished: list[Finished]
        for finished in _stream(options, settings, done, apart):
            ledger.add([each.row for each in finished])
            gallery.add(finished)
            if progress.show(ledger):
                ledger.flush()
    finally:
        ledger.flush()
        gallery.save()


def _stream(options: Options, settings: Settings, done: ray.ObjectRef, apart: bool = False) -> Iterator[list[Any]]:
    """Finished pictures (of a dry run: examined ones), some at a time."""
    with warnings.catch_warnings():
        # Ray 2.60 has no named parameter for a task's crash budget, and warns of the unnamed one.
        warnings.filterwarnings("ignore", message=".*ray_remote_args", category=RayDeprecationWarning)
        works = _pipeline(options, settings, done, apart)
    for batch in works.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
        yield unpack(batch["work"]) if "work" in batch else []


def _pipeline(options: Options, settings: Settings, done: ray.ObjectRef, apart: bool) -> Dataset:
    """Read, examine, paint, finish: a column ``work``. A dry run ends after examining."""
    shared = ray.put(settings)
    look = examine_apart if apart else examine_batch
    task: dict[str, Any] = {"batch_format": "numpy", "num_cpus": 0.5, "max_retries": CRASHES}
    pictures = read_pictures(options.input, wanted=partial(missing, done))
    if isinstance(settings.masks, Detected):
        pictures = find(pictures, options, apart)
    works = pictures.map_batches(partial(look, settings=shared), batch_size=PICTURES, **task)
    if options.dry_run:
        return works
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


def _drop_orphans(output: str, ledger: Ledger) -> None:
    """Delete Parquet files that a killed run wrote but did not enter: their pictures are done anew."""
    names = [name for name in top_names(output) if name.startswith("restored-")]
    entered = ledger.outputs() if names else set()
    for name in names:
        if name not in entered:
            delete(join(output, name))


def _dry_run(options: Options, settings: Settings) -> dict[str, int]:
    """Examine everything, write a contact sheet, restore nothing."""
    gallery, progress, ledger = Gallery(options.output, dry=True), Progress(options.input), Ledger(options.output)
    examined: list[Examined]
    for examined in _stream(options, settings, ray.put(np.empty(0, DIGESTS))):
        for each in examined:
            each.row.status = each.row.status or "restored"
        ledger.counts.update(str(each.row.status) for each in examined)
        gallery.add_plans(examined)
        progress.show(ledger)
    write_report(options.output, ledger, gallery, progress.rate(ledger), settings.alignment)
    progress.close(ledger)
    return dict(ledger.counts)
