"""``python -m faceinpaint weights list | check PATH... | convert PATH [--output FILE]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from faceinpaint.cli import exit_code


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faceinpaint")
    weights = parser.add_subparsers(dest="topic", required=True).add_parser("weights", help="public weight files")
    verbs = weights.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="each public file, its source, licence and use")
    verbs.add_parser("check", help="verify digest, keys and shapes").add_argument("paths", nargs="+", type=Path)
    convert = verbs.add_parser("convert", help="write a checkpoint as safetensors")
    convert.add_argument("path", type=Path)
    convert.add_argument("--output", type=Path, help="default: beside it, .safetensors")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from faceinpaint.models import pretrained  # torch takes seconds: not for --help

    if args.verb == "list":
        print(pretrained.table())
    elif args.verb == "check":
        for path in args.paths:
            print(pretrained.check(path))
    else:
        print(f"wrote {pretrained.convert(args.path, args.output)}")


if __name__ == "__main__":
    sys.exit(exit_code(main))
