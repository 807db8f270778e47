"""Restoration on Ray Data: the steps as streamed batches in many processes, the model in actors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import ray
from ray.data import ActorPoolStrategy, Dataset
from ray.util.annotations import RayDeprecationWarning

from faceinpaint.data.dataset import read_pictures
from faceinpaint.inference.quarantine import examine_apart
from faceinpaint.inference.read_on_ray import ReadOnRay, find
from faceinpaint.inference.steps import examine_batch, finish_batch, missing, plan_batch, write_block
from faceinpaint.inference.travel import Settings, unpack
from faceinpaint.inference.way import PARQUET_ROWS, PICTURES, Source

CRASHES = 3  # of workers that a pass outlives; then pictures are examined apart from each other


class OnRay(ReadOnRay):
    """A :class:`.way.Way` on the cluster that this process is connected to, with ``processes`` of the model."""

    def __init__(self, source: Source, settings: Settings, processes: int, gpus: float):
        super().__init__(source.input)
        self.source, self.settings, self.processes, self.gpus = source, settings, processes, gpus

    def stream(self, done: ray.ObjectRef, apart: bool = False) -> Iterator[list[Any]]:
        with warnings.catch_warnings():
            # Ray 2.60 has no named parameter for a task's crash budget, and warns of the unnamed one.
            warnings.filterwarnings("ignore", message=".*ray_remote_args", category=RayDeprecationWarning)
            works = self._pipeline(done, apart)
        for batch in works.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
            yield unpack(batch["work"]) if "work" in batch else []

    def _pipeline(self, done: ray.ObjectRef, apart: bool) -> Dataset:
        """Read, examine, paint, finish: a column ``work``. A dry run plans instead of painting."""
        shared = ray.put(self.settings)
        look = examine_apart if apart else examine_batch
        task: dict[str, Any] = {"batch_format": "numpy", "num_cpus": 0.5, "max_retries": CRASHES}
        pictures = read_pictures(self.source.input, wanted=partial(missing, done))
        if self.source.sensitivity is not None:
            pictures = self._find(pictures, self.source.sensitivity, apart)
        works = pictures.map_batches(partial(look, settings=shared), batch_size=PICTURES, **task)
        if self.source.dry_run:
            return works.map_batches(partial(plan_batch, settings=shared), batch_size=PICTURES, **task)
        works = self._paint(works).map_batches(partial(finish_batch, settings=shared), batch_size=PICTURES, **task)
        if not self.settings.as_rows:
            return works
        blocks = works.repartition(target_num_rows_per_block=PARQUET_ROWS)
        return blocks.map_batches(partial(write_block, output=self.settings.output), batch_size=None, **task)

    def _find(self, pictures: Dataset, sensitivity: float, apart: bool) -> Dataset:
        source = self.source
        return find(pictures, source.weights, sensitivity, self.processes, source.cpus, self.gpus, apart)

    def _paint(self, works: Dataset) -> Dataset:
        from faceinpaint.inference.painter import Painter  # torch takes seconds

        source = self.source
        resources: dict[str, Any] = {"num_cpus": source.cpus} | ({"num_gpus": self.gpus} if self.gpus else {})
        return works.map_batches(
            Painter,
            fn_constructor_args=(
                source.weights,
                source.precision,
                round(source.cpus),
                self.gpus > 0,
                source.model_batch,
            ),
            batch_size=PICTURES,
            batch_format="numpy",
            compute=ActorPoolStrategy(size=self.processes),
            **resources,
        )
