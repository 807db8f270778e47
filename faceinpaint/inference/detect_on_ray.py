"""Detection on Ray Data: the detector in actors, pictures streamed past them."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import ray
from ray.util.annotations import RayDeprecationWarning

from faceinpaint.data.dataset import read_pictures
from faceinpaint.inference.read_on_ray import ReadOnRay, find
from faceinpaint.inference.steps import missing


class DetectOnRay(ReadOnRay):
    """A :class:`.way.Way` of a detection on the cluster that this process is connected to, with ``processes``."""

    def __init__(self, uri: str, weights: str, sensitivity: float, processes: int, cpus: float, gpus: float):
        super().__init__(uri)
        self.weights, self.sensitivity, self.resources = weights, sensitivity, (processes, cpus, gpus)

    def stream(self, done: ray.ObjectRef, apart: bool = False) -> Iterator[list[Any]]:
        pictures = read_pictures(self.uri, wanted=partial(missing, done))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*ray_remote_args", category=RayDeprecationWarning)
            found = find(pictures, self.weights, self.sensitivity, *self.resources, apart)
            works = found.map_batches(_only_found, batch_size=None, batch_format="numpy", num_cpus=0.1)
        for batch in works.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
            yield [pickle.loads(found) for found in batch["found"]] if "found" in batch else []


def _only_found(batch: dict[str, np.ndarray]) -> dict[str, Any]:
    """Without the pictures' own bytes: the driver needs none."""
    return {"found": batch["found"]}
