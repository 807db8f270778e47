"""The verbs of the command ``faceinpaint``: a module each, whose ``main(arguments)`` returns the exit code.

Importing a verb's module starts neither torch nor Ray: help must come at once.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from functools import partial
from typing import NoReturn

from faceinpaint import __version__
from faceinpaint.cli import exit_code

VERBS = {
    "prepare": "turn pictures into Parquet for training and evaluation",
    "train": "train one stage, or all of them",
    "detect": "propose masks of the damage in photographs",
    "serve": "review proposals in a browser, and restore over HTTP",
    "restore": "restore an archive of photographs",
    "evaluate": "compare methods by their figures",
    "demo": "damage faces, restore them and judge the result",
    "weights": "list, check and convert public weight files",
    "export": "write a trained method as ONNX, which runs without torch",
    "splits": "write the official lists of CelebA-HQ",
}


def main(*given: str) -> NoReturn:
    """Run ``faceinpaint GIVEN ARGUMENTS`` with the arguments of this process; ends it with the verb's exit code."""
    arguments = [*given, *sys.argv[1:]]
    if arguments and arguments[0] in VERBS:
        verb = importlib.import_module(f"{__name__}.{arguments[0]}")
        sys.exit(exit_code(partial(verb.main, arguments[1:])))
    listed = "\n".join(f"  {verb:10} {what}" for verb, what in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="faceinpaint",
        description=f"Fills holes in photographs of faces.\n\nverbs:\n{listed}",
        epilog="faceinpaint VERB --help says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"faceinpaint {__version__}")
    parser.add_argument("verb", choices=VERBS, metavar="VERB")
    parser.parse_args(arguments)
    raise AssertionError("a known verb was run above, and argparse refuses any other")
