"""Reading an archive on the cluster: what a restoration and a detection on Ray share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, Dataset
from ray.exceptions import OutOfMemoryError, RayActorError, WorkerCrashedError

from faceinpaint.data.dataset import counting, read_pictures
from faceinpaint.inference.way import Columns

FOUND_TOGETHER = 8  # pictures that a detector takes at once: a large one takes seconds


class ReadOnRay:
    """The part of a :class:`.way.Way` on the cluster that does not depend on what is done with pictures."""

    crashes: tuple[type[Exception], ...] = (WorkerCrashedError, RayActorError, OutOfMemoryError)

    def __init__(self, uri: str):
        self.uri = uri

    def share(self, value: Any) -> ray.ObjectRef:
        return ray.put(value)

    def call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return ray.get(ray.remote(num_cpus=0)(work).remote(*arguments))

    def counting(self) -> Callable[[bool], int | None]:
        return counting(self.uri)

    def each(
        self, wanted: Callable[[list[str]], np.ndarray], step: Callable[[Columns], Columns], rows: int
    ) -> Iterator[Columns]:
        pictures = read_pictures(self.uri, wanted=wanted)
        made = pictures.map_batches(step, batch_size=rows, batch_format="numpy", num_cpus=0.5)
        batch: Any
        for batch in made.iter_batches(batch_size=None, batch_format="pyarrow"):
            if batch.num_columns:  # a block without rows has none
                yield {name: np.array(batch[name].to_pylist(), object) for name in batch.column_names}


def find(
    pictures: Dataset,
    weights: str,
    sensitivity: float,
    processes: int,
    cpus: float = 1,
    gpus: float = 0,
    apart: bool = False,
) -> Dataset:
    """Pictures with the column ``found``: see :class:`faceinpaint.inference.finder.Finder`.

    ``processes`` of the detector take ``cpus`` and ``gpus`` each.
    """
    from faceinpaint.inference.finder import Finder  # torch takes seconds

    resources: dict[str, Any] = {"num_cpus": cpus} | ({"num_gpus": gpus} if gpus else {})
    return pictures.map_batches(
        Finder,
        fn_constructor_args=(weights, sensitivity, round(cpus), gpus > 0, apart),
        batch_size=FOUND_TOGETHER,
        batch_format="numpy",
        compute=ActorPoolStrategy(size=processes),
        **resources,
    )
