"""Which holes are thin: the model against the fill from the edges, on scratches of several widths over real faces.

    python -m study.routes PHOTOGRAPHS --weights weights/faces256

PHOTOGRAPHS: a folder of pictures, each used that shows one face of at least 60 px from eyes to mouth. Three straight
scratches per picture and width, seeded by its name; PSNR in the hole, in dB. ``faceinpaint.data.routing.THIN`` is the
largest radius at which the edges do at least as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from faceinpaint.data.routing import route
from faceinpaint.data.search import find_faces
from faceinpaint.errors import InputError
from faceinpaint.hashing import stable_hash
from faceinpaint.inference.compose import compose, plan_for
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.painter import paint_and_tell
from faceinpaint.photos.decode import decode_rgb

RADII = (0.75, 1.5, 2.25, 3.0, 4.0, 6.0)  # of the scratches, pixels of the model
LEAST_FACE = 60
EVERYTHING = 1e9


def scratches(shape: tuple[int, ...], centre: np.ndarray, reach: float, width: int, name: str) -> np.ndarray:
    """uint8 (H, W): three lines across a face."""
    mask = np.zeros(shape[:2], np.uint8)
    rng = np.random.default_rng(stable_hash(name))
    for _ in range(3):
        a, b = (centre + rng.uniform(-reach, reach, 2) for _ in range(2))
        cv2.line(mask, tuple(np.rint(a).astype(int).tolist()), tuple(np.rint(b).astype(int).tolist()), 1, width)
    return mask


def filled(damaged: np.ndarray, mask: np.ndarray, inpainter: Inpainter, thin: float) -> np.ndarray:
    """The picture restored when holes up to the radius ``thin`` are filled from their edges."""
    plan = plan_for(
        damaged, mask, route(damaged, mask, inpainter.image_size, inpainter.config.alignment, thin), classical=True
    )
    if plan.crops is None or plan.holes is None:
        return compose(damaged, mask, plan)
    finer = np.array([patch.scale < 1 for patch in plan.patches])
    painted, guides, _ = paint_and_tell(inpainter, plan.crops, plan.holes, finer)
    return compose(damaged, mask, plan, painted, guides)


def decibels(error: float) -> float:
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def measured(path: Path, inpainter: Inpainter) -> list[tuple[float, float]] | None:
    """For each radius PSNR in the hole by the edges and by the model; None for a picture that is not used."""
    try:
        picture = decode_rgb(path.read_bytes())
    except InputError:
        return None
    faces = find_faces(picture, np.zeros(picture.shape[:2], np.uint8))
    if len(faces) != 1 or faces[0].height < LEAST_FACE:
        return None
    (face,) = faces
    scale = inpainter.image_size * (0.333 if inpainter.config.alignment == "celeba" else 0.256) / face.height
    results = []
    for radius in RADII:
        width = max(1, round(2 * radius / scale))
        mask = scratches(picture.shape, face.centre, 1.2 * face.height, width, path.name)
        damaged = np.where(mask[..., None] > 0, np.uint8(255), picture)
        both = [filled(damaged, mask, inpainter, thin) for thin in (EVERYTHING, 0.0)]
        edges, model = (((each.astype(float) - picture)[mask > 0] ** 2).mean() for each in both)
        results.append((decibels(edges), decibels(model)))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--weights", default="weights/celeba64")
    parser.add_argument("--pictures", type=int, default=30, help="how many at most (default %(default)s)")
    arguments = parser.parse_args()
    inpainter, found = Inpainter.load(arguments.weights), []
    for path in sorted(p for p in arguments.photographs.iterdir() if p.is_file()):
        result = measured(path, inpainter)
        if result is not None:
            found.append(result)
        if len(found) == arguments.pictures:
            break
    print(f"{len(found)} photographs; PSNR in the hole, dB")
    print("| radius, model px | edges | model | difference |\n|---|---|---|---|")
    for radius, (edges, model) in zip(RADII, np.mean(found, 0), strict=True):
        print(f"| {radius} | {edges:.2f} | {model:.2f} | {model - edges:+.2f} |")


if __name__ == "__main__":
    main()
