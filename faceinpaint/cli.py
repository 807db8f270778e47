"""What all commands share: one clear line and exit code 2 for wrong inputs, and arguments that several of them take."""

from __future__ import annotations

import argparse
import gc
import math
import re
import sys
from collections.abc import Callable

from faceinpaint.errors import InputError, JobError

WEIGHTS_HELP = "weights folder, s3://bucket/folder or hf://owner/name; default: what $FACEINPAINT_WEIGHTS names"


def exit_code(main: Callable[[], int | None]) -> int:
    """Run a job's ``main``: 0 when it is done, one line on stderr and 2 for an :class:`InputError`, 1 for a
    :class:`JobError`.

    Anything else propagates with its traceback, which Python turns into exit code 1.
    """
    try:
        return main() or 0
    except (InputError, JobError) as error:
        print(f"error: {in_flags(str(error))}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    finally:
        gc.freeze()  # else Python looks through all of torch once more before it ends: most of a second


def in_flags(message: str) -> str:
    """A library's message in a command's words: the name of a parameter, which stands as `keep_masks`, becomes the flag
    --keep-masks."""
    return re.sub(r"`([a-z_]+)`", lambda found: "--" + found[1].replace("_", "-"), message)


def at_least(least: int) -> Callable[[str], int]:
    """A whole number from ``least`` up, for argparse."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is less than {least}")
        return number

    return parse


def share(text: str) -> float:
    """A number of processors, parts of one too, for argparse."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of processors: give 0 or more")
    return number


def parse_crop(text: str) -> tuple[int, int, int, int]:
    """``X0,Y0,X1,Y1`` in pixels, for argparse."""
    try:
        x0, y0, x1, y1 = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not X0,Y0,X1,Y1") from None
    if not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise argparse.ArgumentTypeError(f"{text!r} is empty or negative: need 0 <= X0 < X1 and 0 <= Y0 < Y1")
    return x0, y0, x1, y1
