"""Train one stage, or all of them, data-parallel on Ray Train.

    faceinpaint train --preset celeba64 --stage all --data train.parquet --val val.parquet --output weights/mine

The same command again goes on where it was.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from typing import TYPE_CHECKING

from faceinpaint.cli import at_least, parse_crop, share
from faceinpaint.errors import InputError
from faceinpaint.load_config import load_preset, preset_names
from faceinpaint.stages import STAGES, TEXTURE_STAGES, Stage, stage_after, stages_up_to

if TYPE_CHECKING:
    from faceinpaint.config import Config
    from faceinpaint.training.plan import Job

METHOD_STAGES = stages_up_to("texture")


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faceinpaint train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--preset", required=True, help=f"named configuration: {', '.join(preset_names())}")
    add("--stage", required=True, choices=[*STAGES, "all"], help="all: generator, structure and texture in turn")
    add("--data", required=True, help="training pictures: Parquet file or folder, local or s3://")
    add("--val", required=True, help="validation pictures, likewise")
    add("--output", required=True, help="weights folder, local or s3://; the run's state lies in runs/STAGE under it")
    add(
        "--init",
        help="weights of earlier stages and of this stage's start: a folder, s3:// or hf://owner/name; "
        "where a folder holds this stage's run, that goes on",
    )
    add("--init-stage", choices=TEXTURE_STAGES, help="start a texture stage from this one of --init; default: its own")
    add("--grow", action="store_true", help="what --init holds may be of a smaller size: its networks grow")
    add("--finish", action="store_true", help="let the rate fall to 0 over --steps, from the run in --init: to publish")
    add("--crop", type=parse_crop, help="X0,Y0,X1,Y1 in pixels; default: the centre square")
    add("--workers", type=parse_workers, default=1, help="N; LEAST-MOST for an elastic run; 0: in this process")
    add("--cpus-per-worker", type=at_least(1), default=1, help="CPUs, and torch threads, per worker")
    add("--gpus-per-worker", type=share, default=0, help="GPUs per worker")
    add("--max-failures", type=at_least(0), default=3, help="how often failed workers are started again")
    add("--steps", type=at_least(1), help="optimiser steps; default: the preset's")
    add("--checkpoint-every", type=at_least(1), default=500, metavar="N", help="steps between checkpoints")
    add("--evaluate-every", type=at_least(1), metavar="N", help="steps between validations; default: at checkpoints")
    add("--keep", type=at_least(1), default=2, help="newest checkpoints that are kept, beside the best")
    add("--set", action="append", default=[], metavar="path.to.field=value", help="change a field of the preset")
    return parser.parse_args(arguments)


def parse_workers(text: str) -> int | tuple[int, int]:
    """``4`` or ``2-8``."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither N nor LEAST-MOST")
    if match[2] is None:
        return int(match[1])
    least, most = int(match[1]), int(match[2])
    if not 0 < least <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: need 0 < LEAST <= MOST")
    return least, most


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    check_places(args)
    for stage in METHOD_STAGES if args.stage == "all" else (args.stage,):
        if train_stage(stage, args):
            return 1
    return 0


def check_places(args: argparse.Namespace) -> None:
    """Raises :class:`InputError` for paths where nothing is, before torch and Ray are imported."""
    from faceinpaint.models.find_weights import fetched
    from faceinpaint.storage import exists

    for flag, uri in (("data", args.data), ("val", args.val), ("init", args.init)):
        if uri and not exists(fetched(uri) if flag == "init" else uri):
            raise InputError(f"no {'weights' if flag == 'init' else 'data'} at {uri}: see --{flag}")


def train_stage(stage: Stage, args: argparse.Namespace) -> int:
    """Train one stage; returns the exit code."""
    from faceinpaint.training.driver import is_finished, train  # torch and Ray take seconds: not for --help
    from faceinpaint.training.plan import Resources
    from faceinpaint.training.run import DivergedError

    config = config_of(stage, args)
    job = job_of(stage, config, args)
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
    score = note["score"]  # none where `steps` was lowered to a checkpoint that was not validated
    told = "" if score is None else f", {score_text(stage, score)} on validation pictures"
    print(f"[{stage}] done: {note['step']} steps{told}")
    print(f"weights: {args.output}/{stage}.safetensors")
    print(f"next: {next_command(stage, args)}")
    return 0


def config_of(stage: Stage, args: argparse.Namespace) -> Config:
    """The preset with what the flags change in it."""
    overrides = args.set + ([f"train.{stage}.steps={args.steps}"] if args.steps is not None else [])
    return load_preset(args.preset, overrides + ([f"train.{stage}.schedule=cosine"] if args.finish else []))


def job_of(stage: Stage, config: Config, args: argparse.Namespace) -> Job:
    """The checked job of a stage."""
    from faceinpaint.training.plan import make_job
    from faceinpaint.training.start import Start

    begin = args.init_stage if args.init_stage and stage in TEXTURE_STAGES else stage
    return make_job(
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
        start=Start(stage=begin, may_grow=args.grow, needs_trunk=args.finish),
    )


def score_text(stage: Stage, score: float) -> str:
    """A checkpoint's score in words."""
    match STAGES[stage].kind:
        case "generator":
            return f"Frechet distance {-score:.3f}"
        case "detector":
            return f"F1 {score:.3f} of damaged pixels"
    return f"hole PSNR {score:.2f} dB"


def next_command(stage: Stage, args: argparse.Namespace) -> str:
    """What to run after a stage."""
    crop = f" --crop {','.join(map(str, args.crop))}" if args.crop else ""
    following = stage_after(stage)
    if following:
        changed = "".join(f" --set {shlex.quote(each)}" for each in args.set)
        return (
            f"faceinpaint train --preset {args.preset} --stage {following} --data {args.data} --val {args.val}"
            f" --output {args.output}{crop}{changed}"
        )
    method = STAGES[stage].method
    if method is None:
        return f"faceinpaint detect --input PHOTOS --weights {args.output} --output proposals"
    return (
        f"faceinpaint evaluate --data {args.val} --masks squares --methods {method},biharmonic"
        f" --weights {args.output} --output {args.output}/evaluation{crop}"
    )
