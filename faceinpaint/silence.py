"""What C libraries say on the error stream, where nobody can do anything about it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ERRORS = 2  # the process's error stream
_one_at_a_time = threading.Lock()


@contextmanager
def silent() -> Iterator[None]:
    """Nothing reaches the process's error stream meanwhile: for calls of milliseconds that hold Python's lock."""
    with _one_at_a_time:
        try:
            kept = os.dup(ERRORS)
        except OSError:  # a process without an error stream
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, ERRORS)
        try:
            yield
        finally:
            os.dup2(kept, ERRORS)
            os.close(kept)
            os.close(nowhere)
