"""Whether low confidence tells wrong crops from right ones, with and without the model's own error.

    python -m study.confidence PHOTOS --weights weights/faces256

Takes the sure faces of a folder of photographs (at least 20 px from the eyes to the mouth), cuts them out right, nearly
right, and wrong in several ways, gives each crop a hole (nose, an eye, a side or the mouth, in turn), restores it, and
prints for each kind of wrong crop the probability that it has less confidence than a right one (AUC; ties count half):
of the confidence without the model's own error, of that error alone, and of both. The detector's score is left out, but
for its own wrong finds on turned photographs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tabulate import tabulate

from faceinpaint.data.faces import ALIGNMENTS, Alignment, Face, align, detect
from faceinpaint.data.routing import Patch, cut
from faceinpaint.data.search import find_faces
from faceinpaint.errors import InputError
from faceinpaint.inference.confidence import face_confidence
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.painter import paint_and_tell
from faceinpaint.photos.decode import decode_rgb

RIGHT, WRONG = ("right", "nearly right"), ("turned", "moved", "of another size", "no face", "found wrongly")
SIDE, LEAST_FACE, SURE = 900, 20, 0.9  # pixels of a photograph's longer side; of a face; the detector's score
LOOKED_AT = 512  # pixels, for wrong finds
# Holes: left, top, width, height, as shares of the side, from a landmark (its number)
HOLES = (
    (2, -0.1, -0.08, 0.2, 0.22),
    (0, -0.08, -0.06, 0.2, 0.13),
    (2, 0.0, -0.25, 0.25, 0.4),
    (3, -0.1, -0.1, 0.4, 0.2),
)


@dataclass(frozen=True)
class Crop:
    kind: str
    picture: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", default="weights/faces256")
    parser.add_argument(
        "--every", type=int, default=1, help="take every Nth photograph (default %(default)s)", metavar="N"
    )
    args = parser.parse_args()
    inpainter = Inpainter.load(args.weights, device="cpu")
    alignment = inpainter.config.alignment
    random = np.random.default_rng(0)
    crops = [
        crop
        for path in sorted(args.photos.iterdir())[:: args.every]
        for crop in _crops(path, inpainter.image_size, alignment, random)
    ]
    if not crops:
        raise InputError(f"{args.photos} holds no photograph with a sure face")
    holes = np.stack([_hole(i, inpainter.image_size, alignment) for i in range(len(crops))])
    pictures = np.stack([crop.picture for crop in crops])
    painted, _, errors = paint_and_tell(inpainter, pictures, holes, np.zeros(len(crops), bool))
    whole = Patch(np.eye(2, 3), len(holes[0]), (0, 0, *holes[0].shape), holes[0], "face")
    nothing = np.full(len(crops), np.nan)
    without, both = (
        np.array(
            [face_confidence(whole, *each[:2], alignment, each[2]) for each in zip(holes, painted, own, strict=True)]
        )
        for own in (nothing, errors)
    )
    kinds = np.array([crop.kind for crop in crops])
    right = np.isin(kinds, RIGHT)
    measures = {"without it": without, "it alone": -np.nan_to_num(errors, nan=2), "both": both}
    rows = []
    for kind in (*WRONG, "all of them"):
        wrong = kinds == kind if kind in WRONG else ~right
        rows.append([kind, wrong.sum(), *(_auc(values[right], values[wrong]) for values in measures.values())])
    before, after = (np.median(values[right]) for values in (without, both))
    print(f"{right.sum()} right crops; their median confidence is {before:.2f} without it and {after:.2f} with both")
    print(tabulate(rows, ["wrong crops", "N", *measures], tablefmt="github", floatfmt=".3f"))


def _crops(path: Path, size: int, alignment: Alignment, random: np.random.Generator) -> Iterator[Crop]:
    try:
        photo = decode_rgb(path.read_bytes())
    except (InputError, OSError):
        return
    scale = min(1.0, SIDE / max(photo.shape[:2]))
    photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = find_faces(photo, np.zeros(photo.shape[:2], np.uint8))
    faces = [face for face in found if face.score >= SURE and face.height >= LEAST_FACE][:2]
    for face in faces:
        own = align(face, size, alignment)
        angle, far = random.uniform(0, 2 * np.pi), random.uniform(0.25, 0.5)
        a_bit = random.uniform(-0.03, 0.03, 2)
        for kind, matrix in {
            "right": own,
            "nearly right": _changed(own, size, random.uniform(0.92, 1.08), random.uniform(-0.12, 0.12), *a_bit),
            "turned": _changed(own, size, turn=random.integers(1, 4) * np.pi / 2),
            "moved": _changed(own, size, across=far * np.cos(angle), down=far * np.sin(angle)),
            "of another size": _changed(own, size, random.choice([0.45, 0.55, 1.8, 2.2])),
        }.items():
            yield Crop(kind, _cut(photo, matrix, size))
    for _ in range(50):
        side, centre = random.uniform(0.2, 0.5) * min(photo.shape[:2]), random.uniform(0, 1, 2) * photo.shape[1::-1]
        if all(np.linalg.norm(face.centre - centre) > 3 * face.height + side / 2 for face in found):
            place = size / 2 - size / side * centre
            yield Crop("no face", _cut(photo, np.array([[size / side, 0, place[0]], [0, size / side, place[1]]]), size))
            break
    yield from _found_wrongly(photo, found, size, alignment)


def _found_wrongly(photo: np.ndarray, faces: list[Face], size: int, alignment: Alignment) -> Iterator[Crop]:
    """What the detector takes for upright faces in turned photographs, and is none of ``faces``."""
    height, width = photo.shape[:2]
    for turn in (1, 2, 3):
        turned = np.ascontiguousarray(np.rot90(photo, turn))
        scale = min(1.0, LOOKED_AT / max(turned.shape[:2]))
        small = cv2.resize(turned, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        places = []
        for face in faces:
            x, y = face.landmarks.T
            moved = {1: (y, width - 1 - x), 2: (width - 1 - x, height - 1 - y), 3: (height - 1 - y, x)}[turn]
            places.append(np.stack(moved, 1) * scale)
        for face in detect(small):
            near = [np.linalg.norm(face.landmarks - place, axis=1).mean() < 0.4 * face.height for place in places]
            if face.score >= 0.7 and not any(near):
                yield Crop("found wrongly", _cut(small, align(face, size, alignment), size))


def _changed(
    matrix: np.ndarray, size: int, scale: float = 1.0, turn: float = 0.0, across: float = 0.0, down: float = 0.0
) -> np.ndarray:
    """A crop's matrix, scaled and turned about its middle, and moved by shares of its side."""
    change = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    offset = change @ (matrix[:, 2] - size / 2) + size / 2 + np.array([across, down]) * size
    return np.concatenate([change @ matrix[:, :2], offset[:, None]], 1)


def _cut(photo: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    patch = Patch(matrix, size, (0, 0, 1, 1), np.zeros((1, 1), np.uint8), "face")
    return cut(photo, np.zeros(photo.shape[:2], np.uint8), patch)[0]


def _hole(number: int, size: int, alignment: Alignment) -> np.ndarray:
    mark, left, top, width, height = HOLES[number % len(HOLES)]
    x, y = ALIGNMENTS[alignment][mark]
    hole = np.zeros((size, size), np.uint8)
    hole[
        int((y + top) * size) : int((y + top + height) * size), int((x + left) * size) : int((x + left + width) * size)
    ] = 1
    return hole


def _auc(right: np.ndarray, wrong: np.ndarray) -> float:
    if not len(wrong):
        return float("nan")
    more, same = right[:, None] > wrong, right[:, None] == wrong
    return float((more + 0.5 * same).mean())


if __name__ == "__main__":
    main()
