"""Propose masks of the damage in an archive of photographs, for a person to review.

    faceinpaint detect --input photos --output proposals --weights weights/faces256

The same command again does what is missing or has changed. Then: faceinpaint serve, and faceinpaint restore
--masks proposals/masks.
"""

from __future__ import annotations

import argparse
import sys

from faceinpaint.cli import WEIGHTS_HELP, at_least, share


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faceinpaint detect", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--input", required=True, help="folder, zip, tar, Parquet or picture; local or s3://")
    add("--output", required=True, help="folder or s3:// prefix; empty, or this job's own")
    add("--weights", help=WEIGHTS_HELP)
    add("--sensitivity", type=float, default=0.5, metavar="X", help="0 marks least, 1 marks most (%(default)s)")
    add("--workers", type=at_least(0), help="detector processes (default 2; up to 32 pictures: 0, all in this process)")
    add("--cpus-per-worker", type=share, default=1, help="CPUs, and torch threads, of each (%(default)s)")
    add("--gpus-per-worker", type=share, default=0, help="GPUs of each")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    from faceinpaint.inference.options import check_places

    check_places(args.input, args.output, args.weights)  # before torch is imported: a wrong path is told at once
    from faceinpaint.inference.detect import DetectOptions, detect

    options = DetectOptions(**vars(args))
    detect(options)
    if sys.modules.get("ray"):
        from faceinpaint.ray_session import disconnect

        disconnect()
    print(f"next: open {options.output}/review.html, then decide with")
    weights = f"--weights {options.weights} " if options.weights else ""
    print(f"  faceinpaint serve {weights}--input {options.input} --masks {options.output}")
    return 0
