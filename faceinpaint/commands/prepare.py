"""Turn pictures (folder tree, zip, tar, Parquet; local or s3://) into Parquet shards for training and evaluation."""

from __future__ import annotations

import argparse

from faceinpaint.cli import at_least, parse_crop
from faceinpaint.data.splits import NAMES
from faceinpaint.errors import InputError


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faceinpaint prepare", description=__doc__)
    parser.add_argument("source", help="folder, zip, tar, Parquet or picture; a local path or s3://bucket/path")
    parser.add_argument(
        "--output", required=True, help="folder or s3:// prefix for the shards; empty, or this job's own"
    )
    parser.add_argument("--crop", type=parse_crop, metavar="X0,Y0,X1,Y1", help="part of each picture to keep")
    parser.add_argument(
        "--size", type=at_least(1), help="side of the prepared pictures; without --crop the centre square is cut"
    )
    parser.add_argument(
        "--split", metavar="FILE", help=f"keep these keys: a text file with one per line, or {', '.join(NAMES)}"
    )
    args = parser.parse_args(arguments)
    if args.crop and not args.size and args.crop[2] - args.crop[0] != args.crop[3] - args.crop[1]:
        parser.error("argument --crop: a crop that is not square needs --size")
    return args


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    from faceinpaint.data.places import check_source

    check_source(args.source)  # before Ray is imported: a wrong path is told at once
    from faceinpaint.data.prepare import prepare

    done = prepare(args.source, args.output, args.crop, args.size, args.split)
    print(f"{done.pictures} pictures in {done.shards} shards under {args.output}")
    if done.rejected:
        print(f"{done.rejected} left out: see {args.output}/rejected.parquet")
    if not done.pictures:
        raise InputError(f"{args.source}: no usable picture; the reasons are in {args.output}/rejected.parquet")
    print(f"next: faceinpaint train --preset celeba64 --stage all --data {args.output} --val VAL --output RUN")
    return 0
