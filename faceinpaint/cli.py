"""What all jobs share: one clear line and exit code 2 for wrong inputs."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable

from faceinpaint.errors import InputError, JobError

# Ray reads these when it is imported, so this module comes first in every job.
# Told that there are no clusters here, a Ray of this job's own listens on loopback only; else it would everywhere.
if not os.environ.get("RAY_ADDRESS"):
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
# Lines of Ray's own that would drown a job's.
# Without a dashboard Ray Train's cleaner complains every second that it cannot ask it about its controller.
os.environ.setdefault(
    "RAY_DEDUP_LOGS_SKIP_REGEX", "Failed to query Ray Train Controller|maximum number of concurrent tasks"
)
os.environ.setdefault("RAY_TRAIN_ENABLE_PRINT_PATCH", "0")  # it shows each line of a worker twice


def exit_code(main: Callable[[], int | None]) -> int:
    """Run a job's ``main``: 0 when it is done, one line on stderr and 2 for an :class:`InputError`, 1 for a
    :class:`JobError`.

    Anything else propagates with its traceback, which Python turns into exit code 1.
    """
    try:
        return main() or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except JobError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        gc.freeze()  # else Python looks through all of torch once more before it ends: most of a second


def parse_crop(text: str) -> tuple[int, int, int, int]:
    """``X0,Y0,X1,Y1`` in pixels, for argparse."""
    try:
        x0, y0, x1, y1 = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not X0,Y0,X1,Y1") from None
    if not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise argparse.ArgumentTypeError(f"{text!r} is empty or negative: need 0 <= X0 < X1 and 0 <= Y0 < Y1")
    return x0, y0, x1, y1
