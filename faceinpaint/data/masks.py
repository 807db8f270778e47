"""Seeded holes: squares and free-form strokes, for training and for evaluation.

A hole is uint8 (H, W), 1 inside. Every draw is a pure function of its arguments, on any machine and any number of
workers: randomness comes from SHA-256 and from ``random.Random.random``, whose stream Python keeps between versions.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np

from faceinpaint.config import HoleConfig
from faceinpaint.errors import InputError
from faceinpaint.hashing import stable_hash

SQUARE_POSITIONS = 10  # the paper's ten square masks (section 5)
SQUARE_SHARE = 4  # their side is a quarter of the model's picture


@dataclass(frozen=True)
class Squares:
    """Ten squares at seeded places; ``side`` in model pixels, None: a quarter of the model's picture."""

    side: int | None = None

    def check(self, model_size: int) -> None:
        """Raises :class:`InputError` when the squares are larger than the model's picture."""
        if self.side is not None and self.side > model_size:
            raise InputError(f"masks squares:{self.side}: larger than the model's picture, {model_size} px")


@dataclass(frozen=True)
class Freeform:
    """Brush strokes that cover a share of the picture in [low, high]."""

    low: float
    high: float


def parse_generated(spec: str) -> Squares | Freeform | None:
    """``squares``, ``squares:SIDE`` or ``freeform:LOW-HIGH``; None for any other SPEC.

    Raises :class:`InputError` when SIDE, LOW or HIGH make no sense.
    """
    name, _, argument = spec.partition(":")
    if spec == "squares":
        return Squares()
    if name == "squares":
        if not argument.isdecimal() or int(argument) == 0:
            raise InputError(f"masks {spec!r}: write squares:SIDE with SIDE in model pixels, such as squares:24")
        return Squares(int(argument))
    if name == "freeform":
        band = re.fullmatch(r"(\d*\.?\d+)-(\d*\.?\d+)", argument)
        if band is None or not 0 < float(band[1]) < float(band[2]) <= 1:
            raise InputError(
                f"masks {spec!r}: write freeform:LOW-HIGH with 0 < LOW < HIGH <= 1, such as freeform:0.1-0.2"
            )
        return Freeform(float(band[1]), float(band[2]))
    return None


def generated_hole(hole: Squares | Freeform, key: str, height: int, width: int, model_size: int) -> np.ndarray:
    """The hole of picture ``key``: uint8 (height, width).

    A square keeps its place in the model's picture: on other sizes it is scaled with the picture's centre square.
    Raises :class:`InputError` when the square is larger than the model's picture.
    """
    if isinstance(hole, Freeform):
        return _freeform(Random(stable_hash(f"freeform/{key}")), height, width, hole.low, hole.high)
    hole.check(model_size)
    side = hole.side or model_size // SQUARE_SHARE
    top, left = ten_squares(model_size, side)[stable_hash(key) % SQUARE_POSITIONS]
    scale = min(height, width) / model_size
    y0, x0 = (height - model_size * scale) / 2, (width - model_size * scale) / 2
    mask = np.zeros((height, width), np.uint8)
    rows = slice(round(y0 + top * scale), round(y0 + (top + side) * scale))
    columns = slice(round(x0 + left * scale), round(x0 + (left + side) * scale))
    mask[rows, columns] = 1
    return mask


def ten_squares(size: int, side: int) -> list[tuple[int, int]]:
    """(top, left) of the ten squares of ``side`` in a picture of ``size``, pixels."""
    room = size - side + 1
    places = range(SQUARE_POSITIONS)
    return [(stable_hash(f"square {i} top") % room, stable_hash(f"square {i} left") % room) for i in places]


def training_hole(holes: HoleConfig, seed: int, epoch: int, key: str, size: int) -> np.ndarray:
    """The hole that picture ``key`` gets in ``epoch``: uint8 (size, size), never empty."""
    random = Random(stable_hash(f"training/{seed}/{epoch}/{key}"))
    kind = random.random()
    if kind >= 1 - holes.large:
        return _freeform(random, size, size, *holes.large_ratio)
    if kind >= 1 - holes.large - holes.scratches:
        return _freeform(random, size, size, *holes.scratch_ratio, *holes.scratch_width)
    if kind >= holes.squares:
        return _freeform(random, size, size, *holes.freeform_ratio)
    side = size * _between(random, *holes.square_side)
    if holes.aspect == 1:
        height = width = max(1, round(side))
    else:
        stretch = math.sqrt(holes.aspect) ** _between(random, -1, 1)
        height, width = (min(size, max(1, round(each))) for each in (side * stretch, side / stretch))
    mask = np.zeros((size, size), np.uint8)
    top, left = int(random.random() * (size - height + 1)), int(random.random() * (size - width + 1))
    mask[top : top + height, left : left + width] = 1
    return mask


def _freeform(
    random: Random, height: int, width: int, low: float, high: float, thin: float = 0.05, thick: float = 0.15
) -> np.ndarray:
    """Strokes (after Yu 2019) until the hole's share of the picture reaches a level drawn from [low, high].

    ``thin``, ``thick``: of a stroke, shares of the shorter side. A segment that would overshoot ``high`` is taken back
    and drawn again at half the brush.
    """
    mask: np.ndarray = np.zeros((height, width), np.uint8)
    side, area = min(height, width), height * width
    least = math.ceil(area * low)
    most = max(least, math.floor(area * high))
    goal = least + int(random.random() * (most - least + 1))
    brush = 1.0  # shrinks when a segment is too large for what is left
    covered, segments = 0, 0
    y = x = angle = 0.0
    while covered < goal:
        if segments == 0:  # a new stroke
            y, x, angle = random.random() * height, random.random() * width, random.random() * 2 * math.pi
            segments = 1 + int(random.random() * 12)
        segments -= 1
        angle += _between(random, -1.2, 1.2)
        length = brush * side * _between(random, 0.04, 0.25)
        thickness = max(1, round(brush * side * _between(random, thin, thick)))
        end_y = min(max(y + length * math.sin(angle), 0), height - 1)
        end_x = min(max(x + length * math.cos(angle), 0), width - 1)
        stroke = cv2.line(mask.copy(), (round(x), round(y)), (round(end_x), round(end_y)), 1, thickness)
        count = int(np.count_nonzero(stroke))
        if count > most:
            brush, segments = brush / 2, 0
            continue
        mask, covered, y, x = stroke, count, end_y, end_x
    return mask


def _between(random: Random, low: float, high: float) -> float:
    return low + (high - low) * random.random()
