"""The driver of an evaluation: judges pictures here or on Ray, and merges what comes back, in the order of keys."""

from __future__ import annotations

import json
import math
import operator
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import TypeVar, cast

import numpy as np

from faceinpaint.data.places import works_here
from faceinpaint.device import settle
from faceinpaint.errors import InputError
from faceinpaint.evaluation.figures import Band, Estimates, Frechet, Header, MethodFigures, Metrics, Pair
from faceinpaint.evaluation.parts import read_table
from faceinpaint.evaluation.pictures import BATCH, batches_here
from faceinpaint.evaluation.plan import Plan
from faceinpaint.evaluation.statistics import BAND_EDGES, METRICS, Statistics, band_name, estimate, paired
from faceinpaint.evaluation.worker import ORIGINAL, BatchRecord, Judge
from faceinpaint.held import ray_is_connected
from faceinpaint.losses.frechet import Moments, frechet_distance, rank_note
from faceinpaint.storage import write_bytes

WORKERS = 2  # judging processes, unless told
CHUNK = 64  # batches summed by one task
IN_FLIGHT = 4  # tasks whose results may wait to be merged: bounds memory
SKIPPED_SHOWN = 20
WIDE = 1024  # features of which a distance takes seconds: a task of its own
Result = TypeVar("Result")


def evaluate(plan: Plan) -> tuple[Metrics, list[BatchRecord]]:
    """Judge every picture by every method; returns what ``metrics.json`` holds, and the batches.

    Writes ``OUTPUT/parts/METHOD/*.parquet`` (finished batches, reused by the next run) and ``OUTPUT/metrics.json``.
    Raises :class:`InputError` when there is nothing to judge, or keys are double or missing.
    """
    batches = _judge_all(plan)
    n = sum(batch.n for batch in batches)
    used = [batch for batch in batches if batch.n]
    chunks = [[batch.sha256 for batch in chunk] for chunk in _batched(used, CHUNK)]
    statistics = _merge(_tasks(_statistics, [(plan, chunk) for chunk in chunks]))
    distances = _distances(plan, chunks) if n > 1 else {}
    metrics: Metrics = {
        **_header(plan, batches, n),
        "methods": _methods(plan, statistics, distances),
        "bands": _bands(plan, statistics),
        "paired": _pairs(plan, statistics),
    }
    write_bytes(f"{plan.output}/metrics.json", json.dumps(metrics, indent=1).encode())
    return metrics, used


def look_at(plan: Plan) -> Header:
    """What ``metrics.json`` will say of the pictures and holes, before any method restores them.

    What networks see in the originals is kept for :func:`evaluate`. Raises :class:`InputError` as that does.
    """
    batches = _judge_all(replace(plan, methods=()))
    return _header(plan, batches, sum(batch.n for batch in batches))


def _judge_all(plan: Plan) -> list[BatchRecord]:
    """The batches in the order of keys, each judged in this process or by a worker."""
    batches: list[BatchRecord] = []
    said = time.monotonic()
    here = works_here(plan.data, plan.workers, plan.gpus_per_worker)
    for record in _judged_here(plan) if here else _judged_on_ray(plan):
        batches.append(BatchRecord.from_json(record))
        if time.monotonic() - said > 10:
            said = time.monotonic()
            print(f"{sum(batch.n for batch in batches)} pictures judged", flush=True)
    batches.sort(key=lambda batch: batch.first_key)
    _check(plan, batches)
    return batches


def _judged_here(plan: Plan) -> Iterator[str]:
    """A :class:`BatchRecord` as JSON for each batch, by this process, with one thread as Ray's workers have."""
    settle(threads=1)
    judge = Judge(plan, gpu=bool(plan.gpus_per_worker))
    for batch in batches_here(plan):
        yield from judge(batch)["record"]


def _judged_on_ray(plan: Plan) -> Iterator[str]:
    """As :func:`_judged_here`, by workers over a stream of Ray Data."""
    import ray

    from faceinpaint.evaluation.stream import picture_batches
    from faceinpaint.ray_session import connect

    connect()
    workers, share = plan.workers or WORKERS, plan.gpus_per_worker
    if share is None:
        share = gpu_share(workers, int(ray.cluster_resources().get("GPU", 0)))
    stream = picture_batches(plan).map_batches(
        Judge,
        fn_constructor_args=(plan, share > 0),
        batch_size=BATCH,  # a block; Ray Data wants it said where GPUs are
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
        num_gpus=share or None,
    )
    for row in stream.iter_rows():
        yield row["record"]


def gpu_share(workers: int, gpus: int) -> float:
    """What each of ``workers`` takes of a GPU so that all find a place on ``gpus``; 0 without any."""
    if workers <= gpus or not gpus:
        return float(bool(gpus))
    return math.floor(10_000 / math.ceil(workers / gpus)) / 10_000  # Ray counts in such parts


def _check(plan: Plan, batches: list[BatchRecord]) -> None:
    skipped = [pair for batch in batches for pair in batch.skipped]
    if not any(batch.n for batch in batches):
        why = f": {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        raise InputError(f"{plan.data} holds no picture to judge{why}")
    across = [a.last_key for a, b in pairwise(batches) if a.last_key == b.first_key]
    for key in [*(batch.double for batch in batches), *across]:
        if key is not None:
            raise InputError(f"{plan.data} holds two pictures of key {key}")
    missing = (plan.keys or frozenset()).difference(*(batch.entries for batch in batches))
    if missing:
        raise InputError(f"the split names pictures that {plan.data} lacks: {len(missing)}, such as {min(missing)}")


def _statistics(plan: Plan, batches: list[str]) -> Statistics:
    return _merge(_batch_statistics(plan, batch) for batch in batches)


def _batch_statistics(plan: Plan, batch: str) -> Statistics:
    tables = [read_table(plan.part_uri(method, batch), ["key", "hole_ratio", *METRICS]) for method in plan.methods]
    values = np.stack([[table[metric].to_numpy() for metric in METRICS] for table in tables])  # (methods, metrics, N)
    return Statistics.of(tables[0]["key"].to_pylist(), tables[0]["hole_ratio"].to_numpy(), values.transpose(2, 0, 1))


def _moments(plan: Plan, method: str, batches: list[str]) -> Moments:
    return _merge(
        Moments.of(np.stack(read_table(plan.part_uri(method, batch), ["features"])["features"].to_numpy()))
        for batch in batches
    )


def _distances(plan: Plan, chunks: list[list[str]]) -> dict[str, float]:
    """Frechet distance of each method's pictures to the originals."""

    def moments(method: str) -> Moments:
        return _merge(_tasks(_moments, [(plan, method, chunk) for chunk in chunks]))

    original = moments(ORIGINAL)
    if original.mean.size < WIDE:
        return {method: frechet_distance(moments(method), original) for method in plan.methods}
    pairs = [(moments(method), original) for method in plan.methods]
    return dict(zip(plan.methods, _tasks(frechet_distance, pairs), strict=True))


def _tasks(function: Callable[..., Result], arguments: list[tuple]) -> Iterator[Result]:
    """Results of ``function`` in the order of its arguments, by Ray, few at a time; of one alone, or without Ray, here.

    A process of Ray's takes seconds to import what this one has.
    """
    if len(arguments) == 1 or not ray_is_connected():
        for argument in arguments:
            yield function(*argument)
        return
    import ray

    task = ray.remote(num_cpus=1)(function)
    pending: deque = deque()
    for argument in arguments:
        pending.append(task.remote(*argument))
        if len(pending) == IN_FLIGHT:
            yield ray.get(pending.popleft())
    while pending:
        yield ray.get(pending.popleft())


def _merge(results: Iterable[Result]) -> Result:
    """The sum, from the first to the last: the order fixes the last bits."""
    return reduce(operator.add, results)


def _header(plan: Plan, batches: list[BatchRecord], n: int) -> Header:
    skipped = [pair for batch in batches for pair in batch.skipped]
    return {
        "n": n,
        "data": plan.data,
        "data_sha256": _set_sha256(batch.data_sum for batch in batches),
        "masks": {"spec": plan.masks, "sha256": _set_sha256(batch.mask_sum for batch in batches)},
        "size": plan.size,
        "crop": plan.crop,
        "convention": plan.convention,
        "precision": plan.precision,
        "weights": {"uri": plan.weights, "sha256": plan.weights_sha256},
        "skipped": {"n": len(skipped), "first": skipped[:SKIPPED_SHOWN]},
    }


def _set_sha256(sums: Iterable[int]) -> str:
    return f"{sum(sums) % 2**256:064x}"


def _methods(plan: Plan, statistics: Statistics, distances: dict[str, float]) -> dict[str, MethodFigures]:
    means, n = statistics.means(), statistics.n()
    methods = {method: _method_figures(plan, means, i) for i, method in enumerate(plan.methods)}
    for method, distance in distances.items():
        frechet: Frechet = {"mean": distance, "extractor": plan.extractor, "n": n}
        if note := rank_note(n, plan.extractor):
            frechet["note"] = note
        methods[method]["frechet"] = frechet
    return methods


def _bands(plan: Plan, statistics: Statistics) -> list[Band]:
    return [
        {
            "hole_ratio": band_name(band),
            "n": statistics.n(band),
            "methods": {m: _estimates(statistics.means(band), i) for i, m in enumerate(plan.methods)},
        }
        for band in range(len(BAND_EDGES) - 1)
        if statistics.n(band)
    ]


def _pairs(plan: Plan, statistics: Statistics) -> list[Pair]:
    means = statistics.means()
    return [
        {"a": a, "b": b, "a_minus_b": paired(means, i, j)}
        for i, a in enumerate(plan.methods)
        for j, b in enumerate(plan.methods)
        if i < j
    ]


def _estimates(means: np.ndarray, method: int) -> Estimates:
    return cast(Estimates, {metric: estimate(means[:, method, k]) for k, metric in enumerate(METRICS)})


def _method_figures(plan: Plan, means: np.ndarray, method: int) -> MethodFigures:
    figures = _estimates(means, method)
    return {
        **figures,  # the two below take the place of theirs
        "lpips": {**figures["lpips"], "backbone": plan.perceptual},
        "identity": {**figures["identity"], "network": plan.identity},
    }


def _batched(items: list, size: int) -> Iterator[list]:
    return (items[i : i + size] for i in range(0, len(items), size))
