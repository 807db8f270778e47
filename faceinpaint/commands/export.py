"""Write a trained method as an ONNX file, which runs without torch.

    faceinpaint export --weights weights/faces256 --output faces.onnx

Inputs: image, float32 (n, 3, S, S) in [-1, 1]; mask, float32 (n, 1, S, S), 1 in the hole. Output: restored.
"""

from __future__ import annotations

import argparse

from faceinpaint.cli import WEIGHTS_HELP
from faceinpaint.stages import METHODS


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faceinpaint export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", help=WEIGHTS_HELP)
    parser.add_argument("--output", required=True, help="the file to write, local or s3://")
    parser.add_argument("--method", choices=METHODS, default="two-stage", help="default: both stages")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    from faceinpaint.inference.export import export_onnx  # torch takes seconds: not for --help

    error = export_onnx(args.weights, args.output, args.method)
    print(f"wrote {args.output}: within {error:.1e} of torch in onnxruntime")
    return 0
