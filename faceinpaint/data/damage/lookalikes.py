"""What looks like damage and is not: drawn into pictures, damaged or not, and never part of the truth."""

from __future__ import annotations

import math
import string

import cv2
import numpy as np

from faceinpaint.data.damage.draw import (
    Layer,
    Random,
    between,
    blob,
    chance,
    clouds,
    grey,
    line,
    log_between,
    polygon,
    softened,
    somewhere,
    vivid,
    walk,
)

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
LETTERS = list(string.ascii_letters + string.digits + "    .,-&'")


def _colour(random: Random) -> np.ndarray:
    return vivid(random) if chance(random, 0.4) else grey(random, 0, 256)


def strands(random: Random, size: int) -> list[Layer]:
    """A lock of hair: many strands that run together. A single one across the picture would be damage."""
    angle, centre = between(random, 0, 6.3), somewhere(random, size, 0)
    path = walk(random, centre, angle, size * between(random, 0.5, 1.5), between(random, 0.02, 0.12))
    layers, base, width = [], grey(random, 10, 200, 12), log_between(random, 8, 50)
    side = np.array([-math.sin(angle), math.cos(angle)])
    dark, light = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    for number in range(int(random.integers(14, 50))):
        strand = path + side * random.normal(0, width / 2) + np.cumsum(random.normal(0, 0.4, path.shape), 0)
        target = dark if number % 2 else light
        np.maximum(target, line(size, strand, between(random, 0.8, 2.2)) * between(random, 0.3, 0.9), out=target)
    layers.append(Layer(coverage=dark, colour=base * np.float32(0.7)))
    layers.append(Layer(coverage=light, colour=np.clip(base * np.float32(1.25), 0, 255)))
    return layers


def lettering(random: Random, size: int) -> list[Layer]:
    """Printed words: a sign, a caption, a date, a shirt."""
    canvas = np.zeros((size, size), np.uint8)
    scale, font = log_between(random, 0.35, 2.5), FONTS[int(random.integers(len(FONTS)))]
    x, y = (int(v) for v in random.uniform(-0.2, 0.8, 2) * size)
    for row in range(int(random.integers(1, 5))):
        words = "".join(random.choice(LETTERS, int(random.integers(3, 16))))
        place = (x, y + round(row * 34 * scale))
        cv2.putText(canvas, words, place, font, scale, 255, max(1, round(scale * between(random, 1, 3))), cv2.LINE_AA)
    if chance(random, 0.4):
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), random.normal(0, 25), 1)
        canvas = np.asarray(cv2.warpAffine(canvas, turn, (size, size)), np.uint8)
    coverage = canvas.astype(np.float32) / 255 * between(random, 0.6, 1)
    return [Layer(coverage=softened(coverage, between(random, 0, 0.8)), colour=_colour(random))]


def glasses(random: Random, size: int) -> list[Layer]:
    """Rims, bridge and a temple of spectacles."""
    radius, centre = size * between(random, 0.08, 0.28), somewhere(random, size, -0.15)
    gap, width = radius * between(random, 1.15, 1.4), log_between(random, 1, 5)
    angles = np.linspace(0, 2 * math.pi, 40)
    power = between(random, 0.6, 1)  # 1: round; less: square
    across, upright = np.cos(angles), np.sin(angles)
    flat = between(random, 0.6, 1)
    rim = radius * np.stack(
        [np.sign(across) * np.abs(across) ** power, np.sign(upright) * np.abs(upright) ** power * flat], 1
    )
    bridge = np.array([[radius - gap, 0], [0, -radius * 0.25], [gap - radius, 0]])
    temple = np.array([[gap + radius, 0], [gap + 2.4 * radius, -radius * between(random, 0, 0.5)]])
    aside = np.array([gap, 0])
    parts = [centre + part for part in (rim - aside, rim + aside, bridge, temple)]
    coverage = np.max([line(size, part, width) for part in parts], axis=0)
    return [Layer(coverage=softened(coverage, between(random, 0, 0.8)), colour=grey(random, 0, 200, 15))]


def jewellery(random: Random, size: int) -> list[Layer]:
    """A row of beads, or a pendant on a chain, each with a light."""
    path = walk(
        random, somewhere(random, size, 0), between(random, 0, 6.3), size * between(random, 0.2, 1), 0.06, step=2
    )
    radius = log_between(random, 1.5, 7)
    beads, lights = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    for x, y in path[:: max(1, round(radius * between(random, 0.9, 1.6)))]:
        cv2.circle(beads, (round(x * 16), round(y * 16)), round(radius * 16), 255, -1, cv2.LINE_AA, 4)
        spot = (round((x - radius * 0.3) * 16), round((y - radius * 0.3) * 16))
        cv2.circle(lights, spot, max(8, round(radius * 5)), 255, -1, cv2.LINE_AA, 4)
    colour = grey(random, 90, 240) if chance(random, 0.6) else np.array([210, 170, 80], np.float32)
    return [
        Layer(coverage=beads.astype(np.float32) / 255, colour=colour),
        Layer(coverage=softened(lights.astype(np.float32) / 255, 0.6), colour=grey(random, 215, 256)),
    ]


def fabric(random: Random, size: int) -> list[Layer]:
    """Cloth in a part of the picture: stripes, checks, dots, knit or lace."""
    area = softened(blob(random, size, somewhere(random, size, 0), size * between(random, 0.25, 0.6), 0.3), 1)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    bend = clouds(random, size, size / 2, 1) * between(random, 0, 6)
    angle, period = between(random, 0, 6.3), log_between(random, 3, 16)  # wide stripes would be strokes
    along = (x * math.cos(angle) + y * math.sin(angle) + bend) * (2 * math.pi / period)
    across = (-x * math.sin(angle) + y * math.cos(angle) + bend) * (2 * math.pi / period)
    sharp = log_between(random, 1, 12)
    stripes, others = (np.clip(0.5 + sharp * (np.sin(v) - between(random, -0.5, 0.9)), 0, 1) for v in (along, across))
    pattern = [stripes, stripes * others, np.maximum(stripes, others), np.clip(stripes + others, 0, 2) / 2]
    chosen = pattern[int(random.integers(4))] * area
    ground = Layer(coverage=area * between(random, 0.5, 1), colour=_colour(random))
    return [ground, Layer(coverage=chosen * between(random, 0.3, 1), colour=_colour(random))]


def wrinkles(random: Random, size: int) -> list[Layer]:
    """A few soft, dark, roughly parallel lines."""
    angle, centre = between(random, 0, 6.3), somewhere(random, size, -0.2)
    side = np.array([-math.sin(angle), math.cos(angle)])
    dark, spacing = np.zeros((size, size), np.float32), between(random, 5, 20)
    for number in range(int(random.integers(2, 6))):
        start = centre + side * spacing * number + random.normal(0, 3, 2)
        path = walk(random, start, angle, size * between(random, 0.1, 0.5), 0.05)
        dark = np.maximum(dark, line(size, path, between(random, 1, 3)))
    soft = softened(dark, between(random, 0.8, 2.5)) * between(random, 0.2, 0.7)
    return [Layer(coverage=soft, colour=np.array([90, 55, 45], np.float32), mode="multiply")]


def freckles(random: Random, size: int) -> list[Layer]:
    """Soft brown marks on skin, and a mole."""
    coverage = np.zeros((size, size), np.float32)
    for _ in range(int(random.integers(1, 25))):
        coverage = np.maximum(
            coverage, blob(random, size, somewhere(random, size, 0), log_between(random, 0.8, 3.5), 0.1)
        )
    soft = softened(coverage, between(random, 0.7, 1.8)) * between(random, 0.3, 0.8)
    return [Layer(coverage=soft, colour=np.array([140, 90, 70], np.float32), mode="multiply")]


def bars(random: Random, size: int) -> list[Layer]:
    """Straight, evenly spaced things: a fence, blinds, panes, wires."""
    angle = random.choice([0, math.pi / 2]) + random.normal(0, 0.1)
    along, side = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    spacing, width = log_between(random, 8, 60), log_between(random, 2, 10)
    centre, coverage = somewhere(random, size, 0), np.zeros((size, size), np.float32)
    for number in range(-int(random.integers(1, 6)), int(random.integers(2, 6))):
        middle = centre + side * spacing * number
        coverage = np.maximum(
            coverage, line(size, np.array([middle - along * 2 * size, middle + along * 2 * size]), width)
        )
    if chance(random, 0.6):  # something stands before them
        coverage *= 1 - polygon(size, somewhere(random, size) + random.normal(0, size / 3, (4, 2)))
    return [
        Layer(
            coverage=softened(coverage, between(random, 0.3, 1.2)) * between(random, 0.4, 1),
            colour=grey(random, 0, 256),
        )
    ]


def sparkles(random: Random, size: int) -> list[Layer]:
    """Small round lights: eyes, teeth, buttons, lamps out of focus."""
    coverage = np.zeros((size, size), np.float32)
    radius = log_between(random, 1, 12)
    for _ in range(int(random.integers(1, 7))):
        coverage = np.maximum(
            coverage, blob(random, size, somewhere(random, size, 0), radius * between(random, 0.5, 1), 0.03)
        )
    return [Layer(coverage=softened(coverage, radius * between(random, 0.3, 0.8)), colour=grey(random, 200, 256))]


def border(random: Random, size: int) -> list[Layer]:
    """The straight margin of a print or of the scan: white, cream or black, on one side or two."""
    inside = np.ones((size, size), np.float32)
    for _ in range(int(random.integers(1, 3))):
        depth = size * between(random, 0.03, 0.35)
        tilt = size * random.normal(0, 0.012)
        area = polygon(size, np.array([[-9, -9], [size + 9, -9], [size + 9, depth + tilt], [-9, depth - tilt]]))
        inside *= 1 - np.rot90(area, int(random.integers(4)))
    colour = grey(random, 225, 256) if chance(random, 0.7) else grey(random, 0, 40)
    return [Layer(coverage=softened(1 - inside, between(random, 0, 1)), colour=colour)]


LOOKALIKES = (strands, lettering, glasses, jewellery, fabric, wrinkles, freckles, bars, sparkles, border)
