"""Restore an archive of photographs: fill their holes by both stages, and keep a ledger of every input.

    faceinpaint restore --input photos --masks masks --output restored --weights weights/celeba64

The same command again does what is missing.
"""

from __future__ import annotations

import argparse

from faceinpaint.data.user_masks import POLARITIES


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
    add("--weights", required=True, help="weights folder")
    add("--workers", type=int, help="model processes (default 2; 1 with GPUs or few pictures)")
    add("--cpus-per-worker", type=float, default=1, help="CPUs, and torch threads, of each (default 1)")
    add("--gpus-per-worker", type=float, default=0, help="GPUs of each")
    add("--precision", choices=["fp32", "bf16", "fp16"], default="fp32", help="of the model")
    add("--mask-polarity", choices=POLARITIES, default="white-is-hole", help="what mask pictures mean")
    add("--sensitivity", type=float, default=0.5, metavar="X", help="of --masks detect: 0 marks least, 1 marks most")
    add("--no-face", choices=["skip", "classical", "crop"], default="classical", help="what a hole without a face gets")
    add("--format", choices=["keep", "png"], default="keep", help="of the outputs; png: KEY.png, lossless")
    add("--keep-masks", action="store_true", help="write each hole to OUTPUT/masks/KEY.png (not for Parquet)")
    add("--dry-run", action="store_true", help="check everything, restore nothing, write dry-run.html")
    add("--retry-failed", action="store_true", help="do inputs again whose row says failed")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    from faceinpaint.inference.restore import Options, restore
    from faceinpaint.ray_session import disconnect

    options = Options(**vars(args))
    restore(options)
    disconnect()
    print(f"next: open {options.output}/{'dry-run' if options.dry_run else 'report'}.html")
    return 0
