"""An archive of camera pictures through the real job, over what the CPU seconds of its steps allow on all cores.

The job is ``jobs/batch_inpaint.py`` on Ray, start-up left out. The steps are those of ``bench.photographs`` and the
model's, each measured alone in one process.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench import photographs
from bench.costs import cpu_ms
from bench.networks import pictures
from bench.restoration import restore_seconds
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.painter import paint
from faceinpaint.inference.way import MODEL_BATCH

FEW, MANY = 40, 140  # pictures: their difference leaves start-up out
CODING = "JPEG"


def over_steps(weights: str) -> dict[str, float]:
    """Pictures/s of the job, pictures/s that its steps allow, and their ratio; CPU seconds per picture of each step."""
    data = photographs.coded(CODING)
    row = photographs.over_codec(2, [CODING])[CODING]
    inpainter = Inpainter.load(weights, device="cpu")
    images, masks = pictures(inpainter.image_size, MODEL_BATCH)
    painting = cpu_ms(lambda: paint(inpainter, images, masks), rounds=3) / MODEL_BATCH / 1000
    steps = {"examine": row["examine"], "paint": painting, "finish": row["finish"]}
    with tempfile.TemporaryDirectory() as folder:
        photographs.mask(photographs.HOLE).save(f"{folder}/mask.png")
        for count in (FEW, MANY):
            Path(folder, str(count)).mkdir()
            first = Path(folder, str(count), "000.jpg")
            first.write_bytes(data)
            for i in range(1, count):
                os.link(first, first.with_name(f"{i:03d}.jpg"))
        masks_at = f"{folder}/mask.png"
        seconds = {count: restore_seconds(folder, count, weights, "fp32", masks_at) for count in (FEW, MANY)}
    ours, allowed = (MANY - FEW) / (seconds[MANY] - seconds[FEW]), (os.cpu_count() or 1) / sum(steps.values())
    return {"pictures_s": ours, "allowed_pictures_s": allowed, "ratio": ours / allowed, **steps}
