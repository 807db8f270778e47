"""Restore an archive of photographs: fill their holes by both stages, and keep a ledger of every input.

    faceinpaint restore --input photos --masks masks --output restored --weights weights/faces256

The same command again does what is missing.
"""

from __future__ import annotations

import argparse
import sys

from faceinpaint.cli import WEIGHTS_HELP, at_least, share
from faceinpaint.data.user_masks import FRAMES, POLARITIES, POLARITY_HELP
from faceinpaint.names import FixedPrecision, choices


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faceinpaint restore", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--input", required=True, help="folder, zip, tar, Parquet or picture; local or s3://")
    add(
        "--masks",
        required=True,
        help="where holes are: a folder of masks, a Parquet (key, mask), one FILE for all, alpha, color:#RRGGBB, "
        "detect (the detector proposes them), squares, squares:SIDE or freeform:LOW-HIGH; white is the hole",
    )
    add("--output", required=True, help="folder or s3:// prefix; empty, or this job's own")
    add("--weights", help=WEIGHTS_HELP)
    add("--workers", type=at_least(0), help="model processes (default 2; up to 32 pictures: 0, all in this process)")
    add("--cpus-per-worker", type=share, default=1, help="CPUs, and torch threads, of each (default 1)")
    add("--gpus-per-worker", type=share, default=0, help="GPUs of each")
    add("--precision", choices=choices(FixedPrecision), default="fp32", help="of the model")
    add("--mask-polarity", choices=POLARITIES, help=POLARITY_HELP)
    add("--mask-frame", choices=FRAMES, default="auto", help="how masks of turned pictures lie; auto: by their size")
    add("--grow-holes", type=parse_grow, default="auto", metavar="N|auto", help="pixels; auto: what the damage touches")
    add("--sensitivity", type=float, default=0.5, metavar="X", help="of --masks detect: 0 marks least, 1 marks most")
    add("--no-face", choices=["skip", "classical", "crop"], default="classical", help="what a hole without a face gets")
    add("--format", choices=["keep", "png"], default="keep", help="of the outputs; png: KEY.png, lossless")
    add("--keep-masks", action="store_true", help="write each hole to OUTPUT/masks/KEY.png (not for Parquet)")
    add("--credentials-certificate", metavar="FILE", help="PEM: sign the outputs (C2PA) as its holder")
    add("--credentials-key", metavar="FILE", help="PEM: the certificate's private key, without a password")
    add("--dry-run", action="store_true", help="check everything, restore nothing, write dry-run.html")
    add("--retry-failed", action="store_true", help="do inputs again whose row says failed")
    return parser.parse_args(arguments)


def parse_grow(text: str) -> int | str:
    """A number of pixels, or "auto"."""
    if text == "auto":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of pixels nor auto")
    return int(text)


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    from faceinpaint.inference.options import Options, check_options

    options = Options(**vars(args))
    check_options(options.with_full_paths())  # before Ray and torch are imported: a wrong path is told at once
    from faceinpaint.inference.restore import restore

    restore(options)
    if sys.modules.get("ray"):
        from faceinpaint.ray_session import disconnect

        disconnect()
    print(f"next: open {options.output}/{'dry-run' if options.dry_run else 'report'}.html")
    return 0
