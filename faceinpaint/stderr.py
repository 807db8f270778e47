"""What C libraries print to the process's standard error, caught: they know no other way to say it."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2  # the file that C calls by this number
ONE_AT_A_TIME = threading.Lock()


@contextmanager
def caught() -> Iterator[list[bytes]]:
    """A list that holds, once the block is left, the lines printed meanwhile by this process.

    Lines that are nobody's business go nowhere; others the caller gives back with :func:`printed`.
    """
    lines: list[bytes] = []
    with ONE_AT_A_TIME, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        kept = os.dup(STDERR)
        os.dup2(held.fileno(), STDERR)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(kept, STDERR)
            os.close(kept)
            held.seek(0)
            lines += held


def printed(lines: list[bytes]) -> None:
    """Print lines that were caught."""
    os.write(STDERR, b"".join(lines))
