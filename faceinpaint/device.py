"""How a worker process uses its CPUs."""

from __future__ import annotations

import ctypes
import sys

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGE = 1 << 30  # bytes; more than any feature map


def settle(threads: int) -> None:
    """Compute with ``threads`` threads, and keep freed memory for the next feature map.

    By default glibc hands large blocks back to the system, which zeroes pages again and again: a tenth of a training
    step. Other C libraries keep their ways.
    """
    torch.set_num_threads(threads)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, LARGE)
