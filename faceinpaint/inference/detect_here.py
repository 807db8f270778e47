"""Detection in this process: few pictures are looked at before Ray would have started."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from faceinpaint.data.source import picture_tables
from faceinpaint.inference.finder import Finder
from faceinpaint.inference.read_here import ReadHere, batches, marked
from faceinpaint.inference.steps import missing

GROUP = 8  # pictures between two looks at the table


class DetectHere(ReadHere):
    """A :class:`.way.Way` of a detection through this process alone.

    A picture that kills the process leaves a mark; the next run decodes each picture in a process of its own.
    """

    def __init__(self, uri: str, output: str, weights: str, sensitivity: float, cpus: float, gpu: bool):
        super().__init__(uri)
        self.finder = partial(Finder, weights, sensitivity, round(cpus), gpu)
        self.output = output

    def stream(self, done: np.ndarray, apart: bool = False) -> Iterator[list[Any]]:
        finder: Finder | None = None
        with marked(self.output) as left:
            for batch in batches(picture_tables(self.uri, partial(missing, done)), GROUP):
                finder = finder or self.finder(apart or left)
                yield [pickle.loads(found) for found in finder(batch)["found"]]
