"""What one picture costs, step by step, and how that grows with its size: what docs/scaling.md computes with.

OMP_NUM_THREADS=1 python -m bench.costs

CPU time of one thread, as Ray gives its tasks, so that it holds on a machine that does other work meanwhile. Writes
bench/costs.json.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
import torch
from PIL import Image

from bench import networks
from bench.machine import machine
from faceinpaint.data.mask_spec import parse_masks
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.painter import paint
from faceinpaint.inference.travel import Examined, Painted, Settings
from faceinpaint.inference.way import MODEL_BATCH
from faceinpaint.inference.work import examine, finish
from faceinpaint.load_config import load_preset
from faceinpaint.stages import Stage
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee

RESULTS = Path(__file__).parent / "costs.json"
ROOT = Path(__file__).parents[1]
SIDES = (256, 512, 1024, 2048)
HOLE = (0.235, 0.328, 0.39, 0.492)  # nose and mouth of the portrait: rows, then columns, as shares of the side
MODELS = ("celeba64", "celebahq256-native")
CHECKPOINTS: tuple[Stage, ...] = ("structure", "texture")
FEW, MANY = 40, 72  # pictures on S3: their difference leaves start-up out


def cpu_ms(work: Callable[[], Any], rounds: int = 5) -> float:
    """CPU milliseconds of one call, all threads together: the least of some rounds after one that warms up."""
    work()
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return 1000 * min(spent)


def portrait(side: int, kind: str) -> tuple[bytes, bytes]:
    """A photograph with one face, scikit-image's astronaut, and its mask (PNG)."""
    mask = np.zeros((side, side), np.uint8)
    top, bottom, left, right = (round(share * side) for share in HOLE)
    mask[top:bottom, left:right] = 255
    photo = Image.fromarray(skimage.data.astronaut()).resize((side, side), Image.Resampling.LANCZOS)
    return encoded(photo, kind), encoded(Image.fromarray(mask), "PNG")


def encoded(picture: Image.Image, kind: str) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind)
    return sink.getvalue()


def photograph(side: int, kind: str) -> dict[str, Any]:
    """A photograph's costs around the model."""
    data, mask = portrait(side, kind)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mask.png").write_bytes(mask)
        settings = Settings(
            output=f"{folder}/out", masks=parse_masks(f"{folder}/mask.png"), image_size=64, alignment="celeba"
        )
        examined = examine("a", data, None, settings)
        row = {
            "side": side,
            "format": kind,
            "megabytes": len(data) / 1e6,
            "faces": examined.row.faces,
            "examine_ms": cpu_ms(lambda: examine("a", data, None, settings)),
            "finish_ms": cpu_ms(lambda: finish(fresh(examined), settings)),
        }
    print(row, flush=True)
    return row


def fresh(examined: Examined) -> Painted:
    """Finishing completes a row: each round needs one of its own."""
    return Painted(examined=replace(examined, row=replace(examined.row)), patches=examined.plan.crops)


def model(preset: str) -> dict[str, Any]:
    """A face's cost in the model, and what checkpoints of its stages hold."""
    config = load_preset(preset, ["seeded_generator=true"])
    inpainter = Inpainter(networks.network(config, "two-stage"), config, "untrained", torch.device("cpu"), "fp32")
    images, masks = networks.pictures(config.image_size, MODEL_BATCH)
    row = {
        "preset": preset,
        "side": config.image_size,
        "paint_ms": cpu_ms(lambda: paint(inpainter, images, masks), rounds=3) / MODEL_BATCH,
        "checkpoint_mb": {stage: checkpoint_megabytes(preset, stage) for stage in CHECKPOINTS},
    }
    print(row, flush=True)
    return row


def checkpoint_megabytes(preset: str, stage: Stage) -> float:
    """Modules, averages and Adam's two moments of what is trained."""
    config = load_preset(preset, ["seeded_generator=true"])
    trainee = build_trainee(stage, config, [])
    run = Run(trainee, config.train[stage])
    trained = {id(p): p.nbytes for phase in trainee.phases for p in phase.parameters()}
    modules = [*trainee.modules.values(), *run.averages.values()]
    kept = sum(tensor.nbytes for module in modules for tensor in module.state_dict().values())
    return (kept + 2 * sum(trained.values())) / 1e6


def s3_requests() -> dict[str, float]:
    """Requests per picture, by method, of a folder of pictures and one of masks on S3 restored to S3."""
    counts = {number: requests_of(number) for number in (FEW, MANY)}
    methods = sorted(counts[MANY])
    return {method: (counts[MANY][method] - counts[FEW][method]) / (MANY - FEW) for method in methods}


def requests_of(number: int) -> Counter[str]:
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        server = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "5600"]
        process = subprocess.Popen(server, stdout=log, stderr=log)
        try:
            restore_on_s3(number)
        finally:
            process.terminate()
            process.wait()
        log.flush()
        lines = (Path(folder) / "log").read_text()
    return Counter(re.findall(r'"(?:\x1b\[\d+m)*(GET|HEAD|PUT|POST|DELETE) /bench', lines))


def restore_on_s3(number: int) -> None:
    chain = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(chain, AWS_ENDPOINT_URL="http://127.0.0.1:5600")
    from faceinpaint.storage import s3_client, write_bytes

    s3_client().create_bucket(Bucket="bench")
    picture = encoded(Image.new("RGB", (64, 64), (180, 140, 120)), "PNG")
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 255
    for i in range(number):
        write_bytes(f"s3://bench/in/{i:03d}.png", picture)
        write_bytes(f"s3://bench/masks/{i:03d}.png", encoded(Image.fromarray(mask), "PNG"))
    command = [sys.executable, str(ROOT / "jobs/batch_inpaint.py"), "--input", "s3://bench/in"]
    command += [
        "--masks",
        "s3://bench/masks",
        "--output",
        "s3://bench/out",
        "--weights",
        str(ROOT / "weights/celeba64"),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    cv2.setNumThreads(1)
    results: dict[str, Any] = {"machine": machine()}
    results["photographs"] = [photograph(side, kind) for kind in ("JPEG", "PNG") for side in SIDES]
    results["models"] = [model(preset) for preset in MODELS]
    results["s3_requests"] = s3_requests()
    RESULTS.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
