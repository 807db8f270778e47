"""Seconds of the exported graph in onnxruntime over torch's, as restoration uses it: is a runtime worth a flag?

python -m bench.onnx_runtime [--weights DIR] [--rounds N]
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from bench.timing import DTYPES, interleaved
from faceinpaint.inference.export import export_onnx
from faceinpaint.inference.inpainter import Inpainter

BATCHES = (1, 8)  # a photograph; an archive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="weights/celeba64")
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    for row in rows(args.weights, args.rounds):
        print(row)


def rows(weights: str, rounds: int) -> list[dict[str, Any]]:
    """Per batch: seconds of onnxruntime and of torch in each precision, and ``onnx_over_torch`` (fp32).

    A hole of a quarter of the side, one thread of each; torch works in the hole's window, the graph on the picture.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    methods = {precision: Inpainter.load(weights, device="cpu", precision=precision) for precision in DTYPES}
    size, found = methods["fp32"].image_size, []
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(weights, f"{folder}/model.onnx")
        session = _session(Path(folder) / "model.onnx")
    for batch in BATCHES:
        images = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
        masks = np.zeros((batch, size, size), np.uint8)
        masks[:, size // 4 : size // 2, size // 4 : size // 2] = 1
        given = {"image": images.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1}
        given["mask"] = masks[:, None].astype(np.float32)
        contestants = {f"torch_{name}": partial(m.restore_batch, images, masks) for name, m in methods.items()}
        seconds = interleaved({"onnx": partial(session.run, None, given), **contestants}, rounds)
        found.append({"batch": batch, **seconds, "onnx_over_torch": seconds["onnx"] / seconds["torch_fp32"]})
    torch.set_num_threads(threads)
    return found


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
