"""Public weight files: what there is, whether a file is one of them, and how to convert it."""

from __future__ import annotations

import argparse
from pathlib import Path


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faceinpaint weights", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="each public file, its source, licence and use")
    verbs.add_parser("check", help="verify digest, keys and shapes").add_argument("paths", nargs="+", type=Path)
    convert = verbs.add_parser("convert", help="write a checkpoint as safetensors")
    convert.add_argument("path", type=Path)
    convert.add_argument("--output", type=Path, help="default: beside it, .safetensors")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    from faceinpaint.models import public_weights  # torch takes seconds: not for --help

    if args.verb == "list":
        print(public_weights.table())
    elif args.verb == "check":
        for path in args.paths:
            print(public_weights.check(path))
    else:
        print(f"wrote {public_weights.convert(args.path, args.output)}")
    return 0
