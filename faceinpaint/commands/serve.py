"""Serve the models over HTTP and, over a detection's folder, a page where people review what was proposed.

    faceinpaint serve --weights weights/faces256 --input photos --masks proposals

Needs the extra: pip install 'faceinpaint[serve]'. Only this machine can reach it, unless --host says otherwise.
"""

from __future__ import annotations

import argparse
import importlib.util
import os

from faceinpaint.cli import WEIGHTS_HELP, at_least, share
from faceinpaint.errors import InputError
from faceinpaint.serving import TOKEN

NEEDED = ("gradio", "fastapi", "multipart")


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faceinpaint serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--weights", help=WEIGHTS_HELP)
    add("--input", help="the pictures to review: folder, zip or Parquet; local or s3://")
    add("--masks", help="what faceinpaint detect wrote: its output folder")
    add(
        "--host",
        default="127.0.0.1",
        help=f"address to listen on (%(default)s); others ask for a token, {TOKEN} or a new one",
    )
    add("--port", type=int, default=8000, help="(%(default)s)")
    add("--replicas", type=at_least(1), default=1, help="model processes (%(default)s)")
    add("--cpus-per-replica", type=at_least(1), default=1, help="CPUs, and torch threads, of each (%(default)s)")
    add("--gpus-per-replica", type=share, default=0, help="GPUs of each")
    add("--largest-upload", type=at_least(1), default=64, metavar="MB", help="of a request (%(default)s)")
    add("--largest-picture", type=at_least(1), default=50, metavar="MEGAPIXELS", help="(%(default)s)")
    add("--in-flight", type=at_least(1), default=16, metavar="N", help="requests of one client at a time (%(default)s)")
    add("--queue", type=at_least(1), default=64, metavar="N", help="requests that may wait for a model (%(default)s)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"{', '.join(missing)} not installed: pip install 'faceinpaint[serve]'")
    from faceinpaint.serving.app import ServeOptions, run
    from faceinpaint.serving.limits import Limits

    limits = Limits(
        upload=args.largest_upload, picture=args.largest_picture, in_flight=args.in_flight, queue=args.queue
    )
    run(
        ServeOptions(
            weights=args.weights,
            input=args.input,
            masks=args.masks,
            host=args.host,
            port=args.port,
            token=os.environ.get(TOKEN),
            replicas=args.replicas,
            cpus_per_replica=args.cpus_per_replica,
            gpus_per_replica=args.gpus_per_replica,
            limits=limits,
        )
    )
    return 0
