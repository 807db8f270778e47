"""Lost eyes: what the model paints against the other eye, mirrored, by how alike they are.

    python -m study.eyes val256.parquet --weights weights/faces256 --first 100 --faces 24

Of each face one eye is lost, then the other, in a rectangle of random size. For each least likeness: how many eyes are
taken from their twin, and their holes' mean PSNR, LPIPS of the face, and detail (the gradient in the hole over the
original's), painted and mirrored. ``faceinpaint.inference.symmetry.LIKE`` is the least at which none is worse.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import pyarrow.parquet as pq
import torch
from tabulate import tabulate

from faceinpaint import Inpainter
from faceinpaint.data.faces import ALIGNMENTS
from faceinpaint.data.routing import Patch
from faceinpaint.evaluation.metrics import psnr
from faceinpaint.hashing import stable_hash
from faceinpaint.images import crop_to
from faceinpaint.inference import symmetry
from faceinpaint.losses.perceptual import PerceptualDistance, load_perceptual
from faceinpaint.photos.decode import decode_rgb
from faceinpaint.tensors import to_float
from study.photographs import detail

STEPS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
LARGE = ((0.14, 0.27), (0.12, 0.22))  # width and height of a hole, shares of the side
ASTRAY = 0.03  # of its middle from the eye's usual place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="Parquet of aligned faces")
    parser.add_argument("--weights", default="weights/faces256")
    parser.add_argument("--first", type=int, default=0, help="row of the first face (default %(default)s)")
    parser.add_argument("--faces", type=int, default=100, help="how many (default %(default)s)")
    args = parser.parse_args()
    inpainter, distance = Inpainter.load(args.weights, device="cpu"), load_perceptual("alex")
    rows = []
    for key, picture in faces(args.data, args.first, args.faces, inpainter.image_size):
        for eye in (0, 1):
            rows += measured(picture, lost(eye, key, inpainter), inpainter, distance)
    found = np.array(rows)
    table = [[least, *summary(found[found[:, 0] >= least], 2 * args.faces)] for least in STEPS]
    headers = ["likeness from", "eyes taken", "PSNR, painted", "mirrored", "LPIPS", "mirrored", "detail", "mirrored"]
    print(tabulate(table, headers, "github", floatfmt=("", "", ".2f", ".2f", ".4f", ".4f", ".2f", ".2f")))


def faces(data: str, first: int, count: int, side: int) -> Iterator[tuple[str, np.ndarray]]:
    """Keys and pictures uint8 (S, S, 3)."""
    for row in pq.read_table(data, columns=["key", "image"]).slice(first, count).to_pylist():
        yield row["key"], crop_to(decode_rgb(row["image"]), side, None)


def lost(eye: int, key: str, inpainter: Inpainter) -> np.ndarray:
    """uint8 (S, S), 1 in a rectangle about an eye; its place and sides follow the key."""
    side, random = inpainter.image_size, np.random.default_rng(stable_hash(f"{key}/{eye}"))
    centre = ALIGNMENTS[inpainter.config.alignment][eye] + random.uniform(-ASTRAY, ASTRAY, 2)
    sides = np.array([random.uniform(*bounds) for bounds in LARGE])
    (x0, y0), (x1, y1) = (np.rint(np.clip(centre + sign * sides / 2, 0, 1) * side).astype(int) for sign in (-1, 1))
    hole = np.zeros((side, side), np.uint8)
    hole[y0:y1, x0:x1] = 1
    return hole


def measured(
    picture: np.ndarray, hole: np.ndarray, inpainter: Inpainter, distance: PerceptualDistance
) -> list[list[float]]:
    """One row for each eye that could be taken: its likeness, then the three figures, painted and mirrored."""
    before = np.where(hole[..., None] > 0, np.uint8(255), picture)
    painted = inpainter.restore_batch(before[None], hole[None])[0]
    twins = symmetry.find_twins(before, hole, painted, inpainter.config.alignment, least=STEPS[0])
    if not twins:
        return []
    side = len(hole)
    after = painted.copy()
    patch = Patch(np.eye(2, 3), side, (0, 0, side, side), hole, "aligned")
    symmetry.mirror_eyes(after, patch, twins, before, hole)
    with torch.inference_mode():
        truth, *both = (to_float(each[None]) for each in (picture, painted, after))
        lpips = [float(distance(each, truth)) for each in both]
    close = [psnr(picture[hole > 0], each[hole > 0]) for each in (painted, after)]
    sharp = [detail(each, hole) / detail(picture, hole) for each in (painted, after)]
    return [[twins[0].likeness, *close, *lpips, *sharp]]


def summary(rows: np.ndarray, of: int) -> list[str | float]:
    return [f"{len(rows)} of {of}", *(rows[:, 1:].mean(0) if len(rows) else [])]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
