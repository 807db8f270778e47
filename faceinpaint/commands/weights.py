"""Public weight files: what there is, whether a file is one of them, and how to convert it."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from faceinpaint.models.find_weights import VARIABLE


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faceinpaint weights", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="each public file, its source, licence and use; and the weights folders here")
    verbs.add_parser("check", help="verify digest, keys and shapes").add_argument("paths", nargs="+", type=Path)
    convert = verbs.add_parser("convert", help="write a checkpoint as safetensors")
    convert.add_argument("path", type=Path)
    convert.add_argument("--output", type=Path, help="default: beside it, .safetensors")
    return parser.parse_args(arguments)


def folders() -> list[str]:
    """A line per weights folder that ``$FACEINPAINT_WEIGHTS`` or ``./weights`` holds, with the licence of its card."""
    named = os.environ.get(VARIABLE)
    places = [Path(named)] if named and "://" not in named else []
    places += sorted(path.parent for path in Path("weights").glob("*/config.yaml"))
    return [f"  {place}: {licence_of(place)}" for place in dict.fromkeys(places)]


def licence_of(folder: Path) -> str:
    """What the model card, README.md, says in its row ``Licence``."""
    card = folder / "README.md"
    row = re.search(r"^\| Licence \| (.+?) \|$", card.read_text(), re.MULTILINE) if card.is_file() else None
    return row[1] if row else "no licence stated: ask whoever trained it"


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    from faceinpaint.models import public_weights  # torch takes seconds: not for --help

    if args.verb == "list":
        print(public_weights.table())
        here = folders() or ["  none: see --weights of faceinpaint restore"]
        print("\n".join(["", "weights folders here:", *here]))
    elif args.verb == "check":
        for path in args.paths:
            print(public_weights.check(path))
    else:
        print(f"wrote {public_weights.convert(args.path, args.output)}")
    return 0
