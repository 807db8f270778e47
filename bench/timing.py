"""Interleaved timing: contestants take turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from faceinpaint.config import Precision
from faceinpaint.device import resolve_precision

PEAK_SIDE = 2048


def precisions(device: str = "cpu") -> dict[Precision, torch.dtype]:
    """fp32, and bf16 where the device has instructions for it: emulated, it would take minutes and say nothing."""
    found: dict[Precision, torch.dtype] = {"fp32": torch.float32}
    if resolve_precision("auto", torch.device(device)) == "bf16":
        found["bf16"] = torch.bfloat16
    return found


DTYPES = precisions()


def interleaved(contestants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each contestant over ``rounds`` turns, after one that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, work in contestants.items():
            began = time.perf_counter()
            work()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def matmul(dtype: torch.dtype, device: str = "cpu") -> Callable[[], Any]:
    """A square matrix product, whose rate is the machine's peak in these ratios."""
    a, b = (torch.randn(PEAK_SIDE, PEAK_SIDE).to(device, dtype) for _ in range(2))
    return done(lambda: a @ b, device)


def done(work: Callable[[], Any], device: str) -> Callable[[], Any]:
    """``work``, which ends when the device has done it: calls to a GPU return before."""
    if torch.device(device).type != "cuda":
        return work

    def waiting() -> None:
        work()
        torch.cuda.synchronize(device)

    return waiting


def matmul_flops() -> float:
    return 2.0 * PEAK_SIDE**3


def peak_megabytes(work: Callable[..., Any], *arguments: Any) -> float:
    """Peak memory of a fresh process that does ``work``, MB; imports included."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, work, arguments).result()


def _measured(work: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    work(*arguments)
    # Not getrusage: its peak is inherited from the process that started this one.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
