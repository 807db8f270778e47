"""Judge restoration methods side by side: metrics.json, per-picture rows, tables and report.html.

    faceinpaint evaluate --data faces.parquet --masks squares:24 --methods two-stage,biharmonic \\
        --weights weights/NAME --output runs/eval
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from faceinpaint.cli import WEIGHTS_HELP, at_least, parse_crop, share
from faceinpaint.data.user_masks import FRAMES, POLARITIES, POLARITY_HELP
from faceinpaint.errors import InputError
from faceinpaint.names import Backbone, Convention, FixedPrecision, choices


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faceinpaint evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", required=True, metavar="URI", help="undamaged pictures: folder, archive, Parquet, s3://"
    )
    parser.add_argument(
        "--masks", default="squares", metavar="SPEC", help="squares[:SIDE] (default), freeform:LOW-HIGH, masks URI"
    )
    parser.add_argument("--mask-polarity", choices=POLARITIES, help=POLARITY_HELP)
    parser.add_argument("--mask-frame", choices=FRAMES, default="auto", help="how masks of turned pictures lie")
    parser.add_argument(
        "--methods",
        metavar="A,B,...",
        help="the first one is 'ours' in the report; default: all whose weights are there, and quick classical fills",
    )
    parser.add_argument("--weights", metavar="DIR", help=f"for the trained methods: {WEIGHTS_HELP}")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="folder or s3:// prefix; what is done there is kept"
    )
    parser.add_argument("--crop", type=parse_crop, metavar="X0,Y0,X1,Y1", help="default: the centre square")
    parser.add_argument(
        "--size",
        type=at_least(1),
        metavar="PIXELS",
        help="side of the judged pictures; default: the one that the weights work on",
    )
    parser.add_argument("--split", metavar="NAME|FILE", help="judge only the pictures of this split")
    parser.add_argument(
        "--workers",
        type=at_least(0),
        metavar="N",
        help="judging processes; 0: in this process, without Ray; default: 2, or 0 for few pictures",
    )
    parser.add_argument(
        "--gpus-per-worker", type=share, metavar="G", help="default: an equal share of the cluster's GPUs"
    )
    parser.add_argument("--convention", choices=choices(Convention), default="default", help="of PSNR, SSIM and L1")
    parser.add_argument("--lpips", choices=choices(Backbone), default="alex", help="backbone of LPIPS")
    parser.add_argument("--arcface", metavar="FILE", help="model_ir_se50.pth, for identity; default: SFace")
    parser.add_argument("--precision", choices=choices(FixedPrecision), default="fp32", help="of the methods' networks")
    parser.add_argument("--compare", metavar="DIR", help="show the figures of an earlier evaluation beside these")
    parser.add_argument(
        "--sweep", metavar="FILE", help="YAML list of what to train and evaluate, each into OUTPUT/NAME"
    )
    parser.add_argument("--force", action="store_true", help="compare even where data, masks or convention differ")
    return parser.parse_args(arguments)


def check_places(args: argparse.Namespace) -> None:
    """Raises :class:`InputError` for paths where nothing is, before torch and Ray are imported."""
    from faceinpaint.data.mask_spec import parse_masks
    from faceinpaint.data.places import check_source
    from faceinpaint.models.find_weights import fetched
    from faceinpaint.storage import exists, join

    check_source(args.data)
    parse_masks(args.masks)
    if args.weights and not exists(join(fetched(args.weights), "config.yaml")):
        raise InputError(f"no configuration at {args.weights}/config.yaml: give a weights folder")


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    if not args.sweep:
        check_places(args)
    elif args.compare:
        raise InputError("`compare` sets one evaluation beside another: leave it out with `sweep`, whose table does so")
    from faceinpaint.evaluation.compare import check_before, read_other
    from faceinpaint.evaluation.driver import evaluate
    from faceinpaint.evaluation.plan import make_plan
    from faceinpaint.evaluation.report import write_report
    from faceinpaint.evaluation.rows import write_rows
    from faceinpaint.evaluation.sweep import read_sweep, run_sweep
    from faceinpaint.evaluation.tables import print_summary

    other = read_other(args.compare) if args.compare else None
    wanted = plan_arguments(args)
    if args.sweep:
        lines, failed = run_sweep(read_sweep(args.sweep, wanted), args.output)
        print("\n".join(lines))
        return 1 if failed else 0
    plan = make_plan(**wanted)
    if other is not None:
        check_before(plan, other, args.force)
    metrics, batches = evaluate(plan)
    examples = write_rows(plan, batches)
    write_report(plan, metrics, examples, other, args.force)
    print_summary(metrics)
    print(f"figures: {plan.output}/metrics.json, rows: {plan.output}/rows; look at {plan.output}/report.html")
    return 0


def plan_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """What :func:`faceinpaint.evaluation.plan.make_plan` takes."""
    from faceinpaint.models.find_weights import VARIABLE, find_weights

    return {
        "data": args.data,
        "masks": args.masks,
        "mask_polarity": args.mask_polarity,
        "mask_frame": args.mask_frame,
        "methods": args.methods.split(",") if args.methods is not None else None,
        "output": args.output,
        "weights": find_weights(args.weights) if args.weights or os.environ.get(VARIABLE) else None,
        "crop": args.crop,
        "size": args.size,
        "split": args.split,
        "convention": args.convention,
        "lpips_backbone": args.lpips,
        "arcface": args.arcface,
        "precision": args.precision,
        "workers": args.workers,
        "gpus_per_worker": args.gpus_per_worker,
    }
