"""The pictures and the times of docs/methods.md: every method on the same portrait with the same two holes.

python -m study.methods --output docs/pictures/methods [--weights weights/celeba64] [--weights runs/methods64]

Classical methods fill the portrait at 256 px. Trained ones, those that the weights folders hold, restore it as the product
does: the face at the model's size, laid back into the portrait. A strip shows damaged, restored, damaged, restored. It
also prints seconds per picture on this machine: of both holes, the mean. The portrait is scikit-image's astronaut (NASA,
public domain).
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
from faceinpaint.evaluation.methods import CLASSICAL
from faceinpaint.evaluation.tables import NAMES, tabulated
from faceinpaint.models.weights import has_weights, load_config
from faceinpaint.stages import METHODS, TEXTURE_STAGES, Stage

PORTRAIT = (slice(0, 256), slice(90, 346))  # rows, columns of the astronaut
BLOCK = (slice(108, 156), slice(106, 154))  # nose and mouth
STROKES = [((30, 60), (215, 205)), ((60, 200), (200, 40)), ((20, 128), (236, 150))]  # from, to: column, row
WIDTH = 10  # of a stroke, pixels
QUALITY = 85

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]  # uint8 (H, W, 3), hole (H, W) -> (H, W, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--weights", action="append", default=[], metavar="DIR", help="for trained methods; repeatable")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, fill in methods(args.weights):
        picture, seconds = strip(fill)
        Image.fromarray(picture).save(args.output / f"{name}.jpg", quality=QUALITY)
        rows.append([NAMES[name], f"{seconds:.2f}"])
        print(f"{args.output}/{name}.jpg", flush=True)
    print(tabulated(rows, ["method", "seconds per picture"], "github"))


def methods(weights: list[str]) -> Iterator[tuple[str, Fill]]:
    """The classical methods, and each trained one from the first folder that holds it."""
    yield from CLASSICAL.items()
    for name, stage in METHODS.items():
        folder = next((each for each in weights if all(has_weights(each, f) for f in files(stage, each))), None)
        if folder:
            yield name, restored_by(Inpainter.load(folder, name, device="cpu"))


def files(stage: Stage, weights: str) -> list[Stage]:
    """The stages whose weights restore together."""
    second = stage in TEXTURE_STAGES and load_config(weights).texture_for(stage).structure
    return [stage, "structure"] if second else [stage]


def restored_by(inpainter: Inpainter) -> Fill:
    return lambda picture, hole: np.asarray(inpainter(picture, hole * 255, grow_holes=0))


def strip(fill: Fill) -> tuple[np.ndarray, float]:
    """Damaged and restored side by side for each hole, uint8 (H, 4 H, 3); and the mean seconds of a restoration."""
    portrait = np.ascontiguousarray(skimage.data.astronaut()[PORTRAIT])
    parts, took = [], 0.0
    for hole in holes(portrait.shape[:2]):
        damaged = np.where(hole[..., None] > 0, 128, portrait).astype(np.uint8)
        start = time.perf_counter()
        filled = fill(damaged, hole)
        took += time.perf_counter() - start
        parts += [damaged, filled]
    return np.hstack(parts), took * 2 / len(parts)


def holes(shape: tuple[int, ...]) -> list[np.ndarray]:
    """A square over nose and mouth, and strokes, uint8 (H, W), 1 in the hole."""
    square, strokes = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    square[BLOCK] = 1
    for start, end in STROKES:
        cv2.line(strokes, start, end, 1, WIDTH)
    return [square, strokes]


if __name__ == "__main__":
    main()
