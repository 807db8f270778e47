"""Lines, blobs and noise fields: coverage maps float32 (S, S) in [0, 1] that damage and its lookalikes are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Random = np.random.Generator
SUBPIXEL_BITS = 4  # OpenCV draws at sixteenths of a pixel


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One thing laid over a picture.

    coverage: float32 (S, S) in [0, 1], how much of a pixel it takes, partial transparency included; colour: float32
    (3,) or (S, S, 3), levels 0-255; mode: "over" replaces the picture by the colour, "multiply" tints it as a
    transparent film does (by colour / 255).
    """

    coverage: np.ndarray
    colour: np.ndarray
    mode: Literal["over", "multiply"] = "over"


def between(random: Random, low: float, high: float) -> float:
    """A number in [low, high)."""
    return low + (high - low) * random.random()


def log_between(random: Random, low: float, high: float) -> float:
    """A number in [low, high) whose logarithm is uniform: small ones are as frequent as large ones."""
    return low * (high / low) ** random.random()


def chance(random: Random, share: float) -> bool:
    """True in ``share`` of the draws."""
    return bool(random.random() < share)


def walk(random: Random, start: np.ndarray, angle: float, length: float, bend: float, step: float = 6.0) -> np.ndarray:
    """A curve of ``length`` pixels from ``start`` (x, y): points float (n, 2). bend: radians of turning per step."""
    count = max(2, math.ceil(length / step))
    turning = np.cumsum(random.normal(0, bend / 2, count))  # curvature itself wanders: curls, not only wobbles
    angles = angle + np.cumsum(turning * 0.5 + random.normal(0, bend, count))
    steps = np.stack([np.cos(angles), np.sin(angles)], 1) * (length / count)
    return np.concatenate([start[None], start + np.cumsum(steps, 0)])


def somewhere(random: Random, size: int, margin: float = 0.1) -> np.ndarray:
    """A point (x, y) in a picture of ``size`` or up to ``margin`` of it outside."""
    return random.uniform(-margin * size, (1 + margin) * size, 2)


def line(size: int, points: np.ndarray, width: float) -> np.ndarray:
    """Coverage of a polyline (n, 2) of ``width`` pixels; thinner than one, it is fainter."""
    canvas = np.zeros((size, size), np.uint8)
    fixed = np.round(points * 2**SUBPIXEL_BITS).astype(np.int32)[None]
    cv2.polylines(canvas, fixed, False, 255, max(1, round(width)), cv2.LINE_AA, SUBPIXEL_BITS)
    return canvas.astype(np.float32) * (min(1.0, width) / 255)


def uneven_line(random: Random, size: int, points: np.ndarray, low: float, high: float) -> np.ndarray:
    """Coverage of a line whose width wanders in [low, high] pixels along it."""
    canvas = np.zeros((size, size), np.uint8)
    widths = np.clip(np.cumsum(random.normal(0, (high - low) / 4, len(points))) + (low + high) / 2, low, high)
    fixed = np.round(points * 2**SUBPIXEL_BITS).astype(np.int32)
    for a, b, width in zip(fixed, fixed[1:], widths, strict=False):
        cv2.line(canvas, tuple(a.tolist()), tuple(b.tolist()), 255, max(1, round(width)), cv2.LINE_AA, SUBPIXEL_BITS)
    return canvas.astype(np.float32) / 255


def polygon(size: int, points: np.ndarray) -> np.ndarray:
    """Coverage of a filled polygon (n, 2)."""
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [np.round(points * 2**SUBPIXEL_BITS).astype(np.int32)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return canvas.astype(np.float32) / 255


def blob(random: Random, size: int, centre: np.ndarray, radius: float, roughness: float = 0.3) -> np.ndarray:
    """Coverage of a closed shape around ``centre`` (x, y); roughness 0 is an ellipse."""
    count = int(np.clip(radius * 2, 10, 48))
    angles = np.linspace(0, 2 * math.pi, count, endpoint=False)
    waves = sum(random.normal(0, roughness / k) * np.cos(k * angles + between(random, 0, 6.3)) for k in range(2, 7))
    radii = radius * np.clip(1 + waves, 0.3, 2.5)
    squeeze, tilt = between(random, 0.6, 1.0), between(random, 0, math.pi)
    x, y = radii * np.cos(angles), radii * np.sin(angles) * squeeze
    turned = np.stack([x * math.cos(tilt) - y * math.sin(tilt), x * math.sin(tilt) + y * math.cos(tilt)], 1)
    return polygon(size, centre + turned)


def clouds(random: Random, size: int, grain: float, octaves: int = 2) -> np.ndarray:
    """Smooth noise float32 (S, S), mean about 0 and deviation about 1; ``grain``: pixels of its coarsest feature."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        side = max(2, round(size / max(1.0, grain / 2**octave)) + 1)
        coarse = random.normal(0, 1, (side, side)).astype(np.float32)
        total += cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC) / 2**octave
    return total


def softened(coverage: np.ndarray, sigma: float) -> np.ndarray:
    """``coverage`` blurred by ``sigma`` pixels."""
    return cv2.GaussianBlur(coverage, (0, 0), sigma) if sigma > 0.2 else coverage


def grey(random: Random, low: float, high: float, tint: float = 6.0) -> np.ndarray:
    """A nearly grey colour (3,) of a level in [low, high)."""
    return np.clip(between(random, low, high) + random.normal(0, tint, 3), 0, 255).astype(np.float32)


def vivid(random: Random) -> np.ndarray:
    """A saturated colour (3,)."""
    hue = np.array([[[random.integers(180), random.integers(120, 256), random.integers(60, 256)]]], np.uint8)
    return cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def pale_or_dark(random: Random, pale: float = 0.5) -> np.ndarray:
    """A colour (3,) of dust and scratches: mostly near white (a share ``pale``) or near black."""
    return grey(random, 195, 256) if chance(random, pale) else grey(random, 0, 60)
