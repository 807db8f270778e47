"""Train one stage, or all of them, data-parallel on Ray Train.

    faceinpaint train --preset celeba64 --stage all --data train.parquet --val val.parquet --output weights/mine

The same command again goes on where it was.
"""

from __future__ import annotations

import argparse
import sys

from faceinpaint.cli import parse_crop
from faceinpaint.config import STAGES, load_preset

METHOD_STAGES = ("generator", "structure", "texture")


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faceinpaint train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--preset", required=True, help="named configuration: tiny, celeba64, celebahq256, celebahq256-native")
    add("--stage", required=True, choices=[*STAGES, "all"], help="all: generator, structure and texture in turn")
    add("--data", required=True, help="training pictures: Parquet file or folder, local or s3://")
    add("--val", required=True, help="validation pictures, likewise")
    add("--output", required=True, help="weights folder, local or s3://; the run's state lies in runs/STAGE under it")
    add("--init", help="weights folder to take earlier stages, or this stage's start, from")
    add("--crop", type=parse_crop, help="X0,Y0,X1,Y1 in pixels; default: the centre square")
    add("--workers", type=parse_workers, default=1, help="N; LEAST-MOST for an elastic run; 0: in this process")
    add("--cpus-per-worker", type=int, default=1, help="CPUs, and torch threads, a worker")
    add("--gpus-per-worker", type=float, default=0, help="GPUs a worker")
    add("--max-failures", type=int, default=3, help="how often failed workers are started again")
    add("--steps", type=int, help="optimiser steps; default: the preset's")
    add("--checkpoint-every", type=int, default=500, metavar="N", help="steps between checkpoints")
    add("--evaluate-every", type=int, metavar="N", help="steps between validations; default: at checkpoints")
    add("--keep", type=int, default=2, help="checkpoints kept beside the best")
    add("--set", action="append", default=[], metavar="path.to.field=value", help="change a field of the preset")
    return parser.parse_args(arguments)


def parse_workers(text: str) -> int | tuple[int, int]:
    """``4`` or ``2-8``."""
    try:
        least, dash, most = text.partition("-")
        return (int(least), int(most)) if dash else int(least)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither N nor LEAST-MOST") from None


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    for stage in METHOD_STAGES if args.stage == "all" else (args.stage,):
        if train_stage(stage, args):
            return 1
    return 0


def train_stage(stage: str, args: argparse.Namespace) -> int:
    """Train one stage; returns the exit code."""
    from faceinpaint.training.driver import is_finished, train  # torch and Ray take seconds: not for --help
    from faceinpaint.training.plan import Resources, make_job
    from faceinpaint.training.run import DivergedError

    overrides = args.set + ([f"train.{stage}.steps={args.steps}"] if args.steps is not None else [])
    config = load_preset(args.preset, overrides)
    job = make_job(
        config,
        stage,
        data=args.data,
        validation=args.val,
        output=args.output,
        init=args.init,
        crop=args.crop,
        checkpoint_every=args.checkpoint_every,
        evaluate_every=args.evaluate_every,
        keep=args.keep,
        cpus_per_worker=args.cpus_per_worker,
    )
    if is_finished(job):
        print(f"[{stage}] already finished: {args.output}/{stage}.safetensors")
        return 0
    print(config.to_yaml())
    resources = Resources(args.workers, args.cpus_per_worker, args.gpus_per_worker, args.max_failures)
    try:
        note = train(job, resources)
    except DivergedError as error:
        last = next(reversed(job.checkpoints.notes()), None)
        print(f"[{stage}] diverged: {error}\nlast good checkpoint: {last}", file=sys.stderr)
        return 1
    print(f"[{stage}] done: {note['step']} steps, {score_text(stage, note['score'])} on validation pictures")
    print(f"weights: {args.output}/{stage}.safetensors")
    print(f"next: {next_command(stage, args)}")
    return 0


def score_text(stage: str, score: float) -> str:
    """A checkpoint's score in words."""
    if stage == "generator":
        return f"Frechet distance {-score:.3f}"
    return f"F1 {score:.3f} of damaged pixels" if stage == "detector" else f"hole PSNR {score:.2f} dB"


def next_command(stage: str, args: argparse.Namespace) -> str:
    """What to run after a stage."""
    crop = f" --crop {','.join(map(str, args.crop))}" if args.crop else ""
    if stage in METHOD_STAGES[:2]:
        following = METHOD_STAGES[METHOD_STAGES.index(stage) + 1]
        return (
            f"faceinpaint train --preset {args.preset} --stage {following} --data {args.data} --val {args.val}"
            f" --output {args.output}{crop}"
        )
    if stage == "detector":
        return f"faceinpaint detect --input PHOTOS --weights {args.output} --output proposals"
    method = "two-stage" if stage == "texture" else stage
    return (
        f"faceinpaint evaluate --data {args.val} --masks squares --methods {method},biharmonic"
        f" --weights {args.output} --output {args.output}/evaluation{crop}"
    )
