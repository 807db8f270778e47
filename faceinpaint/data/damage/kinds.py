"""One function per kind of damage: (random, size of the tile in pixels) -> layers from the lowest to the topmost."""

from __future__ import annotations

import math
from collections.abc import Callable

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
    pale_or_dark,
    polygon,
    softened,
    somewhere,
    uneven_line,
    vivid,
    walk,
)

Kind = Callable[[Random, int], list[Layer]]


def _opacity(random: Random) -> float:
    """Half of all damage is opaque; the rest lets some of the picture through."""
    return 1.0 if chance(random, 0.5) else between(random, 0.35, 1.0)


def scratch(random: Random, size: int) -> list[Layer]:
    """One to five nearly straight lines side by side, broken here and there."""
    angle = between(random, 0, 2 * math.pi)
    if chance(random, 0.4):
        angle = math.pi / 2 + random.normal(0, 0.03)  # along the film
    start, width = somewhere(random, size), log_between(random, 0.8, 4.5)
    side = np.array([-math.sin(angle), math.cos(angle)])
    coverage = np.zeros((size, size), np.float32)
    for _ in range(1 + int(random.geometric(0.6)) % 5):
        length = size * between(random, 0.2, 1.6)
        place = start + side * random.normal(0, 8) - np.array([math.cos(angle), math.sin(angle)]) * length / 2
        path = walk(random, place, angle + random.normal(0, 0.02), length, bend=between(random, 0, 0.02))
        coverage = np.maximum(coverage, line(size, path, width * between(random, 0.7, 1.2)))
    if chance(random, 0.5):
        coverage *= np.clip(1.2 + clouds(random, size, between(random, 10, 60)), 0, 1)
    colour = pale_or_dark(random, 0.7) if chance(random, 0.85) else vivid(random)
    return [Layer(coverage=softened(coverage, between(random, 0, 0.7)) * _opacity(random), colour=colour)]


def hair(random: Random, size: int) -> list[Layer]:
    """A single curled fibre of even width."""
    length = size * log_between(random, 0.15, 1.5)
    path = walk(random, somewhere(random, size), between(random, 0, 6.3), length, between(random, 0.02, 0.25))
    coverage = line(size, path, log_between(random, 0.9, 3.5))
    return [
        Layer(
            coverage=softened(coverage, between(random, 0, 0.8)) * _opacity(random), colour=pale_or_dark(random, 0.45)
        )
    ]


def dust(random: Random, size: int) -> list[Layer]:
    """Specks, scattered or in a cloud."""
    coverage = np.zeros((size, size), np.float32)
    largest, centre = log_between(random, 1.0, 4.5), somewhere(random, size, 0)
    spread = size * log_between(random, 0.05, 0.6)
    for _ in range(round(log_between(random, 1, 40))):
        place = centre + random.normal(0, spread, 2)
        coverage = np.maximum(coverage, blob(random, size, place, between(random, 0.45, 1) * largest, 0.35))
    return [
        Layer(
            coverage=softened(coverage, between(random, 0, 0.8)) * _opacity(random), colour=pale_or_dark(random, 0.65)
        )
    ]


def lint(random: Random, size: int) -> list[Layer]:
    """Short thick fibres, tangled."""
    coverage, centre = np.zeros((size, size), np.float32), somewhere(random, size, 0)
    low = log_between(random, 1.2, 4)
    for _ in range(1 + int(random.integers(4))):
        path = walk(
            random, centre + random.normal(0, 8, 2), between(random, 0, 6.3), between(random, 10, 50), 0.5, step=4
        )
        coverage = np.maximum(coverage, uneven_line(random, size, path, low, low * 2))
    return [
        Layer(coverage=softened(coverage, between(random, 0, 0.8)) * _opacity(random), colour=pale_or_dark(random, 0.6))
    ]


def spots(random: Random, size: int) -> list[Layer]:
    """Round marks with soft or hard edges: mould, chemical spots, fly dirt."""
    layers, largest = [], log_between(random, 3, 16)
    colour = (
        pale_or_dark(random)
        if chance(random, 0.6)
        else np.array([120, 90, 50], np.float32) * np.float32(between(random, 0.5, 1.6))
    )
    softness = between(random, 0, 0.25)
    coverage = np.zeros((size, size), np.float32)
    for _ in range(round(log_between(random, 1, 14))):
        radius = largest * between(random, 0.3, 1)
        coverage = np.maximum(coverage, blob(random, size, somewhere(random, size, 0), radius, 0.15))
    layers.append(
        Layer(coverage=softened(coverage, largest * softness) * _opacity(random), colour=np.clip(colour, 0, 255))
    )
    return layers


def stain(random: Random, size: int) -> list[Layer]:
    """A large tinted area with an irregular, often darker rim: water, coffee, foxing."""
    radius = size * log_between(random, 0.08, 0.4)
    shape = blob(random, size, somewhere(random, size, 0), radius, 0.35)
    ragged = softened(shape, radius * 0.12) + clouds(random, size, radius, 3) * between(random, 0.02, 0.2)
    edge = np.clip((ragged - 0.5) * between(random, 3, 20) + 0.5, 0, 1)
    tint = np.array([between(random, 110, 235), between(random, 70, 190), between(random, 20, 140)], np.float32)
    if chance(random, 0.3):
        tint = grey(random, 0, 120)
    strength = between(random, 0.5, 1.0)
    layers = [Layer(coverage=edge * strength, colour=tint, mode="multiply" if chance(random, 0.7) else "over")]
    if chance(random, 0.5):
        rim = np.clip(edge - cv2.erode(edge, np.ones((5, 5), np.uint8)), 0, 1)
        layers.append(Layer(coverage=rim * between(random, 0.3, 0.8), colour=tint * np.float32(0.5), mode="multiply"))
    return layers


def fold(random: Random, size: int) -> list[Layer]:
    """A line across the picture where its coating broke, with a shade along one side."""
    angle = between(random, 0, 2 * math.pi)
    middle, along = somewhere(random, size, -0.1), np.array([math.cos(angle), math.sin(angle)])
    path = walk(random, middle - along * size * 1.5, angle, size * 3, between(random, 0, 0.012), step=5)
    path += random.normal(0, between(random, 0, 1.0), path.shape)
    low = log_between(random, 1.0, 4)
    core = uneven_line(random, size, path, low, low * between(random, 1.2, 2.5))
    if chance(random, 0.6):  # the coating went in flakes
        core *= np.clip(between(random, 0.6, 1.6) + clouds(random, size, between(random, 4, 20)), 0, 1)
    side = np.array([-along[1], along[0]]) * size * between(random, 0.05, 0.25)
    shade = polygon(size, np.concatenate([path, (path + side)[::-1]]))
    shade *= softened(line(size, path, 3), size * 0.05) * 4
    dark = Layer(coverage=np.clip(shade, 0, 1) * between(random, 0, 0.25), colour=grey(random, 0, 60))
    return [dark, Layer(coverage=core * _opacity(random), colour=pale_or_dark(random, 0.8))]


def crease(random: Random, size: int) -> list[Layer]:
    """Cracks that branch."""
    coverage = np.zeros((size, size), np.float32)
    low = log_between(random, 0.9, 2.5)
    starts = [(somewhere(random, size, 0), between(random, 0, 6.3), size * between(random, 0.3, 1.2))]
    for _ in range(1 + int(random.integers(7))):
        start, angle, length = starts[int(random.integers(len(starts)))]
        path = walk(random, start, angle, length, between(random, 0.05, 0.2), step=5)
        path += random.normal(0, 0.7, path.shape)
        coverage = np.maximum(coverage, uneven_line(random, size, path, low, low * 1.8))
        joint = path[int(random.integers(len(path)))]
        starts.append((joint, angle + random.choice([-1, 1]) * between(random, 0.3, 1.2), length * 0.6))
    return [Layer(coverage=coverage * _opacity(random), colour=pale_or_dark(random, 0.75))]


def _jagged(random: Random, start: np.ndarray, end: np.ndarray, rough: float) -> np.ndarray:
    """A torn edge between two points, (n, 2)."""
    count = max(4, int(np.hypot(*(end - start)) / 4))
    share = np.linspace(0, 1, count)[:, None]
    wander = np.cumsum(random.normal(0, rough, (count, 2)), 0)
    wander -= share * wander[-1]
    return start + share * (end - start) + wander + random.normal(0, rough * 0.6, (count, 2))


def _behind(random: Random, size: int) -> np.ndarray:
    """What shows where the picture is gone: the scanner's lid, paper or a table."""
    colour = grey(random, 225, 256, 3) if chance(random, 0.55) else grey(random, 0, 40, 3)
    if chance(random, 0.25):
        colour = grey(random, 60, 225, 14)
    texture = clouds(random, size, between(random, 2, 60)) * between(random, 0, 5)
    return np.clip(colour + texture[..., None], 0, 255).astype(np.float32)


def tear(random: Random, size: int) -> list[Layer]:
    """A wedge torn into the picture, with a pale fringe of paper."""
    start = somewhere(random, size, 0)
    start[int(random.integers(2))] = -8 if chance(random, 0.5) else size + 8
    end = somewhere(random, size, -0.1)
    width = log_between(random, 2, 0.12 * size)
    along = (end - start) / max(1.0, float(np.hypot(*(end - start))))
    side = np.array([-along[1], along[0]]) * width
    rough = log_between(random, 0.4, 2.5)
    edge = np.concatenate(
        [_jagged(random, start - side / 2, end, rough), _jagged(random, end, start + side / 2, rough)]
    )
    gap = polygon(size, edge)
    fringe = cv2.dilate(gap, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(random.integers(2, 9)),) * 2))
    fringe *= np.clip(0.7 + clouds(random, size, 6), 0, 1)
    return [
        Layer(coverage=fringe, colour=grey(random, 200, 256)),
        Layer(coverage=gap, colour=_behind(random, size)),
    ]


def missing(random: Random, size: int) -> list[Layer]:
    """A corner or a side torn or cut off."""
    depth = size * log_between(random, 0.08, 0.5)
    far = size + 20.0
    start = np.array([-20.0, depth * between(random, 0.5, 1.5)])
    end = np.array([depth * between(random, 0.5, 1.5), -20.0])
    corner = np.array([[-20.0, -20.0]])
    if chance(random, 0.3):  # a whole side
        end = np.array([far, depth * between(random, 0.3, 1.5)])
        corner = np.array([[far, -20.0], [-20.0, -20.0]])
    edge = _jagged(random, start, end, log_between(random, 0.3, 3))
    gap = polygon(size, np.concatenate([edge, corner]))
    gap = np.ascontiguousarray(np.rot90(gap, int(random.integers(4))))
    fringe = cv2.dilate(gap, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(random.integers(2, 8)),) * 2))
    return [Layer(coverage=fringe, colour=grey(random, 200, 256)), Layer(coverage=gap, colour=_behind(random, size))]


def tape(random: Random, size: int) -> list[Layer]:
    """A strip of tape: yellowed and see-through, or opaque."""
    width, length = log_between(random, 12, 0.4 * size), size * between(random, 0.3, 1.5)
    angle, middle = between(random, 0, 6.3), somewhere(random, size, -0.1)
    along, side = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    corners = [middle + a * along * length / 2 + b * side * width / 2 for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    area = polygon(size, np.array(corners))
    streaks = clouds(random, size, between(random, 3, 30)) * 0.06
    tint = np.array([between(random, 190, 250), between(random, 150, 225), between(random, 70, 180)], np.float32)
    rim = line(size, np.array([*corners, corners[0]]), 2) * np.float32(between(random, 0.2, 0.8))
    edge = Layer(coverage=rim, colour=tint * np.float32(0.55))
    if chance(random, 0.5):
        colour = np.clip(tint * (1 + streaks[..., None]), 0, 255).astype(np.float32)
        return [Layer(coverage=area * between(random, 0.75, 1), colour=colour), edge]
    glare = Layer(coverage=area * np.clip(0.15 + streaks, 0, 1) * between(random, 0.5, 2), colour=tint)
    return [Layer(coverage=area * between(random, 0.8, 1), colour=tint, mode="multiply"), glare, edge]


def ink(random: Random, size: int) -> list[Layer]:
    """Pen or pencil over the picture: loops as of handwriting, or strokes."""
    colours = ([20, 20, 25], [25, 40, 130], [150, 20, 30], [60, 60, 65], [240, 240, 240])
    colour = np.array(colours[int(random.integers(len(colours)))], np.float32) + random.normal(0, 10, 3)
    width, coverage = log_between(random, 1.2, 5), np.zeros((size, size), np.float32)
    for _ in range(1 + int(random.integers(3))):
        if chance(random, 0.5):
            count = int(random.integers(12, 70))
            turn = np.arange(count) * between(random, 0.4, 0.9)
            height, pace = between(random, 4, 16), between(random, 1, 4)
            points = np.stack([turn * pace + height * np.cos(turn), height * np.sin(turn)], 1)
            points += np.cumsum(random.normal(0, 0.8, points.shape), 0)
            tilt = random.normal(0, 0.4)
            turned = points @ np.array([[math.cos(tilt), math.sin(tilt)], [-math.sin(tilt), math.cos(tilt)]])
            path = somewhere(random, size, 0) + turned
        else:
            path = walk(
                random, somewhere(random, size), between(random, 0, 6.3), size * between(random, 0.2, 1.5), 0.15
            )
        coverage = np.maximum(coverage, uneven_line(random, size, path, width, width * 1.5))
    if chance(random, 0.2):  # pencil
        coverage *= np.clip(0.9 + 0.5 * clouds(random, size, 2, 1), 0, 1)
    return [Layer(coverage=coverage * _opacity(random), colour=np.clip(colour, 0, 255).astype(np.float32))]


def _strokes(random: Random, size: int, low: float, high: float) -> np.ndarray:
    coverage = np.zeros((size, size), np.float32)
    for _ in range(1 + int(random.integers(3))):
        length = size * log_between(random, 0.1, 1.2)
        path = walk(
            random, somewhere(random, size, 0), between(random, 0, 6.3), length, between(random, 0, 0.4), step=8
        )
        coverage = np.maximum(coverage, uneven_line(random, size, path, low, high))
    return coverage


def paint(random: Random, size: int) -> list[Layer]:
    """Brush strokes and blots of any colour."""
    low = log_between(random, 4, 30)
    coverage = _strokes(random, size, low, low * 1.6)
    if chance(random, 0.4):
        coverage = np.maximum(coverage, blob(random, size, somewhere(random, size, 0), log_between(random, 6, 40), 0.4))
    colour = vivid(random) if chance(random, 0.6) else pale_or_dark(random)
    texture = clouds(random, size, between(random, 2, 12)) * between(random, 0, 12)
    mixed = np.clip(colour + texture[..., None], 0, 255).astype(np.float32)
    return [Layer(coverage=softened(coverage, between(random, 0, 1)) * _opacity(random), colour=mixed)]


def marker(random: Random, size: int) -> list[Layer]:
    """Flat colour of a paint program, with hard edges: how people mark holes in a copy."""
    low = log_between(random, 3, 40)
    hard = (_strokes(random, size, low, low) > 0.5).astype(np.float32)
    pure = (random.integers(0, 2, 3) * 255).astype(np.float32)
    return [Layer(coverage=hard, colour=pure if chance(random, 0.7) else vivid(random))]


def patch(random: Random, size: int) -> list[Layer]:
    """A flat rectangle or polygon, as of a redaction, a label or a lost block of a file."""
    centre, extent = somewhere(random, size, 0), size * log_between(random, 0.05, 0.4)
    if chance(random, 0.6):
        shape = np.zeros((size, size), np.float32)
        half = (extent * np.exp(random.normal(0, 0.3, 2)) / 2).clip(2)
        (x0, y0), (x1, y1) = np.clip(centre - half, 0, size).astype(int), np.clip(centre + half, 0, size).astype(int)
        shape[y0:y1, x0:x1] = 1
    else:
        angles = np.sort(random.uniform(0, 6.3, int(random.integers(4, 9))))
        radii = extent * random.uniform(0.5, 1, len(angles))
        shape = polygon(size, centre + np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1))
    colour = grey(random, 0, 256, 4) if chance(random, 0.6) else vivid(random)
    return [Layer(coverage=shape, colour=colour)]


def punched(random: Random, size: int) -> list[Layer]:
    """A hole of an office punch or a pin, with the shadow of its edge."""
    layers = []
    radius = log_between(random, 3, 0.16 * size)
    for _ in range(1 + int(random.integers(2))):
        centre = somewhere(random, size, 0)
        hole = blob(random, size, centre, radius, 0.02)
        shadow = blob(random, size, centre + random.normal(0, 1.5, 2), radius + 1.5, 0.02)
        layers.append(Layer(coverage=softened(shadow, 1.5) * between(random, 0, 0.7), colour=grey(random, 0, 60)))
        layers.append(Layer(coverage=hole, colour=_behind(random, size)))
    return layers


KINDS: dict[str, Kind] = {
    "scratch": scratch, "hair": hair, "dust": dust, "lint": lint, "spots": spots, "stain": stain, "fold": fold,
    "crease": crease, "tear": tear, "missing": missing, "tape": tape, "ink": ink, "paint": paint, "marker": marker,
    "patch": patch, "punched": punched,
}  # fmt: skip
