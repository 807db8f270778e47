"""Rows (d), (g) and (h): the pipeline over the bare model, start-up of the jobs, and what each step costs."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from bench.timing import interleaved
from faceinpaint.config import Precision
from faceinpaint.data.mask_spec import parse_masks
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.ledger import Ledger
from faceinpaint.inference.painter import paint
from faceinpaint.inference.row import ROW, LedgerRow
from faceinpaint.inference.table import table_of
from faceinpaint.inference.travel import Settings
from faceinpaint.inference.way import MODEL_BATCH
from faceinpaint.inference.work import examine
from faceinpaint.photos.photo import encode_photo, read_photo
from faceinpaint.photos.provenance import with_provenance
from faceinpaint.storage import write_bytes

FEW, MANY = 200, 1400  # pictures: their difference leaves start-up out
ROOT = Path(__file__).parents[1]


def faces(size: int, count: int) -> list[bytes]:
    """Smooth colour pictures as PNG: they decode and compress about as photographs do."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
        noise = random.normal(0, 4, (size, size, 3))
        pixels = np.asarray(small.resize((size, size), Image.Resampling.BICUBIC)) + noise
        sink = io.BytesIO()
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(sink, "PNG")
        found.append(sink.getvalue())
    return found


def pipeline_over_model(weights: str, precision: Precision) -> dict[str, float]:
    """Images/s of ``jobs/batch_inpaint.py`` on aligned faces, and of the model alone on two threads."""
    inpainter = Inpainter.load(weights, precision=precision)
    size = inpainter.image_size
    pictures = faces(size, MANY)
    with tempfile.TemporaryDirectory() as folder:
        for count in (FEW, MANY):
            for i, picture in enumerate(pictures[:count]):
                write_bytes(f"{folder}/{count}/{i // 100}/{i}.png", picture)
        crops = np.stack([np.asarray(Image.open(io.BytesIO(p))) for p in pictures[: MODEL_BATCH * 8]])
        holes = np.zeros(crops.shape[:3], np.uint8)
        holes[:, 10:30, 10:30] = 1
        bare = [len(crops) / seconds(lambda: paint(inpainter, crops, holes)) for _ in range(3)]
        took = {count: restore_seconds(folder, count, weights, precision) for count in (FEW, MANY)}
        bare += [len(crops) / seconds(lambda: paint(inpainter, crops, holes)) for _ in range(3)]
    ours, alone = (MANY - FEW) / (took[MANY] - took[FEW]), float(np.median(bare))
    return {"pipeline": ours, "bare_model": alone, "ratio": ours / alone, "start_up_seconds": took[FEW] - FEW / ours}


def restore_seconds(folder: str, count: int, weights: str, precision: str, masks: str = "squares") -> float:
    command = [sys.executable, str(ROOT / "jobs/batch_inpaint.py"), "--input", f"{folder}/{count}", "--masks", masks]
    command += ["--output", f"{folder}/out-{count}", "--weights", weights, "--precision", precision]
    return seconds_of(command)


def seconds_of(command: list[str]) -> float:
    """Of a command from start to end."""
    return seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def step_costs(size: int) -> dict[str, float]:
    """Milliseconds per picture of each step around the model."""
    picture = faces(size, 1)[0]
    photo = read_photo(picture)
    hole = np.zeros((size, size), np.uint8)
    hole[4:20, 4:20] = 1
    xmp = with_provenance(None, {"Hole": "0.1"})
    with tempfile.TemporaryDirectory() as folder:
        masks, out = parse_masks("squares"), f"{folder}/out"
        settings = Settings(output=out, masks=masks, image_size=size, alignment="celeba")
        ledger = Ledger(out)
        ledger.open()
        row = [LedgerRow(key="k", status="restored")] * 1000
        took = interleaved(
            {
                "decode": lambda: read_photo(picture).rgb,
                "examine": lambda: examine("k", picture, None, settings),
                "encode": lambda: encode_photo(
                    photo.file, photo.whole().change(photo.rgb, hole), xmp, decoded=photo.decoded
                ),
                "write": lambda: write_bytes(f"{folder}/a.png", picture),
                "ledger": lambda: pq.write_table(table_of(row, ROW), io.BytesIO()),
            },
            rounds=50,
        )
    took["ledger"] /= 1000
    return {name: 1000 * value for name, value in took.items()}
