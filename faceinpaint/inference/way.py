"""How pictures go through the steps of a restoration: in this process, or on Ray. Both give the same rows and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

PICTURES = 32  # that travel together
PARQUET_ROWS = 512  # of an output file
MODEL_BATCH = 8  # of patches whose windows are alike: larger ones would be padded more

Columns = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is restored and by what. input, weights: URIs; cpus: of a model process; dry_run: plan, do not paint.

    model_batch: patches of a forward pass. Few pictures are painted one by one, which fills no pass with copies; how
    many a source gives decides it, so that here and on Ray, now and on another day, the same bytes come out.
    """

    input: str
    weights: str
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    cpus: float = 1
    dry_run: bool = False
    model_batch: int = MODEL_BATCH
    sensitivity: float | None = None  # of the detector that proposes the holes; None: it is not asked


class Way(Protocol):
    """crashes: what :meth:`stream` raises when a worker died; the pass may be taken again with ``apart``."""

    crashes: tuple[type[Exception], ...]

    def share(self, value: Any) -> Any:
        """A value as :meth:`stream` takes it: something light that stands for it."""
        ...

    def call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What ``work(*arguments)`` returns; its memory need not be this process's."""
        ...

    def counting(self) -> Callable[[bool], int | None]:
        """Begin to count the inputs; the result tells their number: None while unknown, unless told to wait."""
        ...

    def each(
        self, wanted: Callable[[list[str]], np.ndarray], step: Callable[[Columns], Columns], rows: int
    ) -> Iterator[Columns]:
        """``step`` of batches of at most ``rows`` encoded pictures (key, image, error, stamp) whose keys are wanted."""
        ...

    def stream(self, done: Any, apart: bool = False) -> Iterator[list[Any]]:
        """Finished pictures, some at a time, of inputs that are not ``done``.

        done: shared sorted digests of keys. apart: each picture is examined in a process of its own.
        """
        ...
