"""What thousands of specks cost beside one hole of as many pixels, in a JPEG of 24 megapixels.

python -m bench.specks

CPU seconds of one process: examine (decode, mask, growth, faces) and finish (fill, encode, prove, write), the least of
three rounds. What holes are on the face are thin, so the model has no part in it.
"""

from __future__ import annotations

import io
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image

from bench.markdown import table
from faceinpaint.data.mask_spec import parse_masks
from faceinpaint.encoding import mask_png
from faceinpaint.inference.travel import Painted, Settings
from faceinpaint.inference.work import examine, finish
from faceinpaint.memory import keep_freed

HEIGHT, WIDTH = 4000, 6000
SPECKS, SIDE = 2534, 4
ROUNDS = 3


def main() -> None:
    cv2.setNumThreads(1)
    keep_freed()
    rows = [(name, *(f"{seconds:.2f}" for seconds in cost(mask))) for name, mask in masks().items()]
    print(table(("24 megapixels", "examine, CPU s", "finish, CPU s", "both"), rows))


def masks() -> dict[str, np.ndarray]:
    """uint8 (H, W), 1 in the hole: specks all over, and one hole away from the portrait's face."""
    random = np.random.default_rng(1)
    specks, one = (np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(2))
    corners = random.permutation(HEIGHT * WIDTH // 64**2)[:SPECKS]
    for y, x in zip(corners // (WIDTH // 64) * 64, corners % (WIDTH // 64) * 64, strict=True):
        specks[y + 30 : y + 30 + SIDE, x + 30 : x + 30 + SIDE] = 1
    side = round((SPECKS * SIDE**2) ** 0.5)
    one[-side - 800 : -800, -side - 1800 : -1800] = 1
    return {f"{SPECKS} specks of {SIDE} px": specks, f"one hole of {side} px": one}


def cost(mask: np.ndarray) -> tuple[float, float, float]:
    """CPU seconds of examine, finish and both."""
    portrait = Image.fromarray(skimage.data.astronaut()[:320, 60:380])
    picture = np.array(portrait.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    picture[mask > 0] = 255
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "JPEG", quality=92)
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mask.png").write_bytes(mask_png(mask))
        masks = parse_masks(f"{folder}/mask.png")
        settings = Settings(output=folder, masks=masks, image_size=256, alignment="ffhq", no_face="classical")
        for _ in range(ROUNDS):
            began = time.process_time()
            examined = examine("a.jpg", sink.getvalue(), None, settings)
            between = time.process_time()
            patches = examined.plan.crops
            row = finish(Painted(examined=replace(examined), patches=patches), settings).row
            spent.append((between - began, time.process_time() - between))
            assert row.fidelity == "blocks", row
    least = [min(seconds) for seconds in zip(*spent, strict=True)]
    return least[0], least[1], sum(least)


if __name__ == "__main__":
    main()
