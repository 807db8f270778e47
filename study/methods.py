"""The pictures and the times of docs/methods.md: every method on the same portrait with the same two holes.

python -m study.methods --output docs/pictures/methods [--weights weights/celeba64] [--weights runs/methods64]

Classical methods fill the portrait at 256 px. Trained ones, those that the weights folders hold, restore it as the
product does: the face at the model's size, laid back into the portrait. A strip shows damaged, restored, damaged,
restored. It also prints the processor's seconds per picture, the mean of both holes. The portrait is scikit-image's
astronaut (NASA, public domain). ``--side`` takes it at another size.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image

from faceinpaint import Inpainter
from faceinpaint.evaluation.methods import CLASSICAL, is_there
from faceinpaint.evaluation.tables import NAMES, tabulated
from faceinpaint.models.weights import load_config
from faceinpaint.stages import METHODS

PORTRAIT = (slice(0, 256), slice(90, 346))  # rows, columns of the astronaut
SIDE = 256  # of the portrait, in which the holes are given
BLOCK = (slice(108, 156), slice(106, 154))  # nose and mouth
STROKES = [((30, 60), (215, 205)), ((60, 200), (200, 40)), ((20, 128), (236, 150))]  # from, to: column, row
WIDTH = 10  # of a stroke, pixels
QUALITY = 85
SHOWN = 0.75  # of its size: a strip's

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]  # uint8 (H, W, 3), hole (H, W) -> (H, W, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--side", type=int, default=SIDE, metavar="PIXELS")
    parser.add_argument("--weights", action="append", default=[], metavar="DIR", help="for trained methods; repeatable")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, fill in methods(args.weights):
        picture, seconds = strip(fill, args.side)
        small = cv2.resize(picture, None, fx=SHOWN, fy=SHOWN, interpolation=cv2.INTER_AREA)
        Image.fromarray(small).save(args.output / f"{name}.jpg", quality=QUALITY)
        rows.append([NAMES[name], f"{seconds:.2f}"])
        print(f"{args.output}/{name}.jpg", flush=True)
    print(tabulated(rows, ["method", "seconds"], "github"))


def methods(weights: list[str]) -> Iterator[tuple[str, Fill]]:
    """The classical methods, and each trained one from the first folder that holds it."""
    yield from CLASSICAL.items()
    for name in METHODS:
        folder = next((each for each in weights if is_there(name, each, load_config(each))), None)
        if folder:
            yield name, restored_by(Inpainter.load(folder, name, device="cpu"))


def restored_by(inpainter: Inpainter) -> Fill:
    return lambda picture, hole: np.asarray(inpainter(picture, hole * 255, grow_holes=0))


def strip(fill: Fill, side: int) -> tuple[np.ndarray, float]:
    """Damaged and restored side by side for each hole, uint8 (side, 4 side, 3); and a restoration's mean seconds."""
    portrait = cv2.resize(skimage.data.astronaut()[PORTRAIT], (side, side), interpolation=cv2.INTER_AREA)
    parts, took = [], 0.0
    for hole in holes(side):
        damaged = np.where(hole[..., None] > 0, 128, portrait).astype(np.uint8)
        start = time.process_time()
        filled = fill(damaged, hole)
        took += time.process_time() - start
        parts += [damaged, filled]
    return np.hstack(parts), took * 2 / len(parts)


def holes(side: int) -> list[np.ndarray]:
    """A square over nose and mouth, and strokes, uint8 (side, side), 1 in the hole."""
    square, strokes = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    square[BLOCK] = 1
    for start, end in STROKES:
        cv2.line(strokes, start, end, 1, WIDTH)
    return [cv2.resize(hole, (side, side), interpolation=cv2.INTER_NEAREST) for hole in (square, strokes)]


if __name__ == "__main__":
    main()
