"""Pictures whose damage is known, for measuring the detector: clean ones, and each kind of damage drawn onto faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from faceinpaint.data.damage.draw import Layer
from faceinpaint.data.damage.film import FilmShapes
from faceinpaint.data.damage.kinds import KINDS
from faceinpaint.data.damage.looks import aged, scanned
from faceinpaint.data.damage.paint import LEAST_CHANGE, TRACE, laid_over
from faceinpaint.data.masks import generated_hole, parse_generated
from faceinpaint.hashing import stable_hash
from faceinpaint.photos.decode import decode_rgb

OPAQUE = 0.9  # coverage from which on damage counts
NEAR = np.ones((5, 5), np.uint8)  # 2 px about a pixel
GENERATED = ("freeform:0.02-0.15", "squares:48")  # strokes and squares of restoration's own tests, in flat colours
ENLARGED = 3
VARIANTS = ("plain", "aged", "enlarged")  # of clean pictures


@dataclass(frozen=True, kw_only=True)
class Case:
    """A damaged picture uint8 (H, W, 3); truth: uint8 (H, W), 1 damaged; unsure: bool (H, W), counts neither way."""

    kind: str
    key: str
    picture: np.ndarray
    truth: np.ndarray
    unsure: np.ndarray


def clean_pictures(rows: list[dict], variant: str) -> Iterator[tuple[str, np.ndarray]]:
    """(key, picture) of undamaged pictures: "plain", "aged" or "enlarged"."""
    for row in rows:
        picture = decode_rgb(row["image"])
        if variant == "aged":
            random = np.random.default_rng(stable_hash(f"aged/{row['key']}"))
            picture = scanned(random, aged(random, picture.astype(np.float32)))
        if variant == "enlarged":
            picture = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        yield row["key"], picture


def damaged_pictures(rows: list[dict], film: FilmShapes, apart: tuple[str, ...]) -> Iterator[Case]:
    """Every kind on every picture of ``rows``."""
    kinds = [*KINDS, *(f"film {kind}" for kind in film.shapes), *GENERATED]
    for kind in kinds:
        for row in rows:
            picture = decode_rgb(row["image"]).astype(np.float32)
            random = np.random.default_rng(stable_hash(f"{kind}/{row['key']}"))
            starred = kind in GENERATED or kind in [f"film {each}" for each in apart]
            yield _case(f"{kind}{'*' * starred}", row["key"], picture, _layers(kind, row["key"], film, random), random)


def _layers(kind: str, key: str, film: FilmShapes, random: np.random.Generator) -> list[Layer]:
    if kind.startswith("film "):
        return film.layers(random, 256, kind.removeprefix("film "))
    if kind in KINDS:
        return KINDS[kind](random, 256)
    spec = parse_generated(kind)
    assert spec is not None
    hole = generated_hole(spec, key, 256, 256, 256).astype(np.float32)
    return [Layer(coverage=hole, colour=random.integers(0, 256, 3).astype(np.float32))]


def _case(kind: str, key: str, picture: np.ndarray, layers: list[Layer], random: np.random.Generator) -> Case:
    size = picture.shape[0]
    cut = [Layer(coverage=e.coverage[:size, :size], colour=e.colour, mode=e.mode) for e in layers]
    after, coverage = laid_over(picture, cut)
    seen = (coverage >= OPAQUE) & (np.abs(after - picture).max(2) >= LEAST_CHANGE)
    truth = np.asarray(cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)), np.uint8)
    unsure = (coverage > TRACE) & (truth == 0)
    return Case(kind=kind, key=key, picture=scanned(random, after), truth=truth, unsure=unsure)


def counts(case: Case, hole: np.ndarray) -> np.ndarray:
    """(damaged pixels found, damaged, marked rightly, marked) with the tolerance."""
    near_truth, near_hole = cv2.dilate(case.truth, NEAR) > 0, cv2.dilate(hole, NEAR) > 0
    marked = (hole > 0) & ~(case.unsure & ~near_truth)
    found = (case.truth > 0) & near_hole
    return np.array([found.sum(), case.truth.sum(), (marked & near_truth).sum(), marked.sum()], float)
