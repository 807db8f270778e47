"""How a process keeps memory that it has freed."""

from __future__ import annotations

import ctypes
import functools
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGE = 1 << 30  # bytes; more than any feature map, or any channel of a photograph


@functools.cache
def keep_freed() -> None:
    """Keep freed memory of this process for the next picture or feature map.

    By default glibc hands large blocks back to the system, which zeroes pages again and again: a tenth of a training
    step, a quarter of a photograph's decoding and encoding. Other C libraries keep their ways.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, LARGE)
