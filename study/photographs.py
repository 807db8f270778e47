"""Restoration of real photographs at their own resolution, measured inside the holes.

    python -m study.photographs PHOTOS --weights weights/faces256 --output runs/photographs

Takes the photographs of a folder that show one face of at least 80 px from the eyes to the mouth, gives each one hole
(an eye, the nose, the mouth, half of the face or strokes, in turn), restores them as ``faceinpaint restore`` does, and
prints for ours, Telea's and the biharmonic fill: PSNR in the hole, LPIPS of the face at 256 px, and detail, the
gradient in the hole over the original's (1: as sharp as the photograph).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from tabulate import tabulate

from faceinpaint import restore
from faceinpaint.data.damage.portrait import box_hole, close_up
from faceinpaint.data.faces import Face
from faceinpaint.data.search import find_faces
from faceinpaint.errors import InputError
from faceinpaint.evaluation.metrics import psnr
from faceinpaint.evaluation.portrait import face_lpips
from faceinpaint.hashing import stable_hash
from faceinpaint.losses.perceptual import PerceptualDistance, load_perceptual
from faceinpaint.models.baselines.classical.simple import biharmonic, telea
from faceinpaint.photos.decode import decode_rgb

Pixels = np.ndarray
Box = tuple[int, int, int, int]
KINDS = ("eye", "nose", "mouth", "half", "strokes")
LEAST_FACE = 80  # pixels from the eyes to the mouth
LEAST_SIDE = 256
MARGIN = 16  # pixels of surroundings that a classical fill sees
RIM = 5  # pixels: detail is measured this far inside the hole's edge, about half of it on each side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", default="weights/faces256")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--most", type=int, default=150, help="photographs (default %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="holes, in turn (default all)")
    args = parser.parse_args()
    faces = dict(damaged(args.photos, args.output, args.most, args.kinds))
    if not faces:
        raise InputError(f"{args.photos} holds no photograph with one large face")
    folders = {name: str(args.output / name) for name in ("damaged", "masks", "restored")}
    restore(input=folders["damaged"], masks=folders["masks"], output=folders["restored"], weights=args.weights)
    distance = load_perceptual("alex")
    rows: dict[tuple[str, str], list[list[float]]] = {}
    for name, face in faces.items():
        truth, before, hole = (_read(args.output / kind / name) for kind in ("original", "damaged", "masks"))
        hole = (hole[..., 0] > 127).astype(np.uint8)
        fills = {"telea": _filled(telea, before, hole), "biharmonic": _filled(biharmonic, before, hole)}
        for method, picture in {**fills, "ours": _read(args.output / "restored" / name)}.items():
            for kind in (Path(name).stem.split("-")[1], "all"):
                box = close_up(face, truth.shape[:2])
                rows.setdefault((kind, method), []).append(figures(picture, truth, hole, box, distance))
    print(tables_of(rows, "hole", distance))


def figures(picture: Pixels, truth: Pixels, hole: Pixels, box: Box, distance: PerceptualDistance) -> list[float]:
    """PSNR in the hole, LPIPS of the face in ``box``, and detail over the original's."""
    decibels = psnr(truth[hole > 0], picture[hole > 0])
    return [decibels, face_lpips(picture, truth, box, distance), detail(picture, hole) / detail(truth, hole)]


def tables_of(rows: dict[tuple[str, str], list[list[float]]], first: str, distance: PerceptualDistance) -> str:
    """The means of figures by (``first`` column, method), as Markdown."""
    table = [[*key, len(each), *np.nanmean(each, axis=0)] for key, each in sorted(rows.items())]
    headers = [first, "method", "N", "PSNR in the hole, dB", f"LPIPS ({distance.backbone})", "detail"]
    return tabulate(table, headers, tablefmt="github", floatfmt=("", "", "", ".2f", ".4f", ".2f"))


def damaged(photos: Path, output: Path, most: int, kinds: Sequence[str] = KINDS) -> Iterator[tuple[str, Face]]:
    """Write original/, damaged/ and masks/ of up to ``most`` photographs; their names and faces."""
    for kind in ("original", "damaged", "masks"):
        (output / kind).mkdir(parents=True, exist_ok=True)
    done = 0
    for path in sorted(photos.iterdir(), key=lambda path: stable_hash(path.name)):
        try:
            photo = decode_rgb(path.read_bytes())
        except (InputError, OSError):
            continue
        faces = find_faces(photo, np.zeros(photo.shape[:2], np.uint8)) if min(photo.shape[:2]) >= LEAST_SIDE else []
        if len(faces) != 1 or faces[0].height < LEAST_FACE:
            continue
        kind = kinds[done % len(kinds)]
        hole = hole_of(kind, photo.shape, faces[0], np.random.default_rng(stable_hash(path.name)))
        if not hole.any():
            continue
        name = f"{done:03d}-{kind}.png"
        before = np.where(hole[..., None] > 0, np.uint8(255), photo)
        for folder, pixels in (("original", photo), ("damaged", before), ("masks", hole * 255)):
            Image.fromarray(pixels).save(output / folder / name)
        yield name, faces[0]
        done += 1
        if done == most:
            return


def hole_of(kind: str, shape: tuple[int, ...], face: Face, random: np.random.Generator) -> np.ndarray:
    """uint8 (H, W), 1 in the hole: of the size that such damage has on a face."""
    points, height, centre = face.landmarks, face.height, face.centre
    if kind == "eye":
        return box_hole(shape, points[random.integers(2)], 0.7 * height, 0.6 * height)
    if kind == "nose":
        return box_hole(shape, points[2], 0.6 * height, 0.6 * height)
    if kind == "mouth":
        return box_hole(shape, points[3:].mean(0), height, 0.6 * height)
    if kind == "half":
        beside = np.array([random.choice([-0.5, 0.5]) * height, 0])
        return box_hole(shape, centre + beside, height, 2 * height)
    hole = np.zeros(shape[:2], np.uint8)
    for _ in range(3):
        a, b = (np.round(centre + random.uniform(-1.2 * height, 1.2 * height, 2)).astype(int) for _ in range(2))
        cv2.line(hole, a.tolist(), b.tolist(), 1, max(2, int(height * random.uniform(0.06, 0.16))))
    return hole


def detail(picture: np.ndarray, hole: np.ndarray) -> float:
    """Mean absolute step between neighbours in the hole, less its rim; not a number for holes that are all rim."""
    grey = picture.astype(np.float32).mean(2)
    inner = cv2.erode(hole, np.ones((RIM, RIM), np.uint8))[:-1, :-1] > 0
    steps = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    return float(steps[inner].mean()) if inner.any() else float("nan")


def _filled(fill, picture: np.ndarray, hole: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """A classical fill of the part about the hole: the rest does not change it."""
    x, y, width, height = cv2.boundingRect(hole)
    part = (slice(max(0, y - MARGIN), y + height + MARGIN), slice(max(0, x - MARGIN), x + width + MARGIN))
    result = picture.copy()
    result[part] = fill(np.ascontiguousarray(picture[part]), np.ascontiguousarray(hole[part]))
    return result


def _read(path: Path) -> np.ndarray:
    return decode_rgb(path.read_bytes())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
