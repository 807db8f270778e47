"""Holes grown to what the damage really touches: mixed pixels at its edge, soft brushes, blocks of a lossy coding.

A pixel beside a hole is a mixture ``(1 - c) natural + c paint``. What is natural there is told from the pixels a little
farther out, what the paint is from the marker colour or from the hole's own pixels; the share ``c`` is then estimated
over luma and both chromas, each weighted by how quiet it is around. Where nothing was painted, nothing grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from faceinpaint.data.components import labelled, pixels_of
from faceinpaint.images import box_of

Grow = int | Literal["auto"]

REACH = 48  # pixels a soft edge may be wide, at most
NEAR = 8  # and that of a mask's, which says where the damage is
STEP = 2  # pixels the front moves at a time
SPAN = 7  # pixels of natural surroundings that are averaged
MARGIN = 24  # pixels about a hole that are looked at; holes nearer than twice that are looked at together
LEAST_SHARE = 0.04  # of paint, that counts
SURE = 2.5  # standard errors
LEAST_DIFFERENCE = 24.0  # levels between paint and nature; less cannot be told, and would not show
UNIFORM = 6.0  # levels of spread, above which a hole's own pixels are no paint
MIXED_RING = 0.12  # share of paint, at the median, that says that an edge is mixed,
MIXED_MOST = 0.6  # if so many of its pixels say so more than they may err,
TOLD = 0.5  # and so many can be told at all
SMALL = 4  # pixels that a hole grows by one disk
CELL = 4  # side in pixels, by which places that are looked at are told apart
QUIET = (2.0, 1.0, 1.0)  # least spread of Y, Cr, Cb that is believed, levels


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What is known of a picture's damage besides its hole.

    picture: uint8 RGB (H, W, 3), as stored; paint: the marker colour, None where the hole's own pixels must tell;
    block: (height, width) in pixels that the picture's coding changes together, (1, 1) of lossless ones; within: grown
    pixels stay in the blocks, of a lossy coding, that the hole touches (of masks, which say where the damage is).
    """

    picture: np.ndarray
    paint: tuple[int, int, int] | None = None
    block: tuple[int, int] = (1, 1)
    within: bool = False


def grow_by(hole: np.ndarray, pixels: int) -> np.ndarray:
    """``hole`` uint8 (H, W) and all within ``pixels`` of it."""
    if pixels <= 0:
        return hole
    if pixels <= SMALL:  # the same, many times as fast
        return cv2.dilate(hole, _disk(pixels), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return (cv2.distanceTransform(1 - hole, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= pixels).astype(np.uint8)


def _disk(radius: int) -> np.ndarray:
    across = np.arange(-radius, radius + 1) ** 2
    return (across[:, None] + across <= radius**2).astype(np.uint8)


def grow_soft(levels: np.ndarray, core: np.ndarray, least: int) -> np.ndarray:
    """``core`` uint8 (H, W) and what hangs together with it at ``levels`` uint8 (H, W) of ``least`` or more."""
    soft = cv2.inRange(levels, least, 255) // 255 | core
    if cv2.countNonZero(soft) == cv2.countNonZero(core):
        return core
    _, labels = cv2.connectedComponents(soft, connectivity=8)
    touched = np.zeros(labels.max() + 1, bool)
    touched[labels[core > 0]] = True
    touched[0] = False
    return touched[labels].astype(np.uint8)


def grow_to_damage(hole: np.ndarray, damage: Damage) -> np.ndarray:
    """``hole`` uint8 (H, W), 1 inside, and the pixels beside it that its paint reaches."""
    grown = hole.copy()
    for window in windows(hole, MARGIN + max(damage.block)):
        part, picture = hole[window], damage.picture[window]
        offset = (window[0].start % damage.block[0], window[1].start % damage.block[1])
        found = _grown_part(part, picture, damage, offset)
        if found is not None:
            grown[window] |= found
    return grown


def windows(hole: np.ndarray, margin: int) -> Iterator[tuple[slice, slice]]:
    """Rectangles about groups of holes, ``margin`` pixels beyond them; together they cover all holes."""
    left, top, wide, high = box_of(hole)  # most of a picture has no hole
    top, left, bottom, right = top - margin, left - margin, top + high + margin, left + wide + margin
    top, left = max(0, top), max(0, left)
    around = cv2.dilate(hole[top:bottom, left:right], np.ones((2 * margin + 1, 1), np.uint8))
    around = cv2.dilate(around, np.ones((1, 2 * margin + 1), np.uint8))
    count, _, boxes, _ = labelled(around)
    for x, y, width, height, _ in boxes[1:count]:
        yield slice(top + y, top + y + height), slice(left + x, left + x + width)


def _grown_part(hole: np.ndarray, picture: np.ndarray, damage: Damage, offset: tuple[int, int]) -> np.ndarray | None:
    paint = _paint(hole, picture, damage.paint)
    if paint is None or cv2.countNonZero(hole) == hole.size:
        return None
    if damage.paint is None and not _is_mixed(hole, picture, paint):
        return None
    touched = _blocks(hole, damage.block, offset)
    confined = damage.within and damage.block != (1, 1)
    grown, least = hole, LEAST_SHARE * (1 if damage.paint else 2)
    for _ in range((REACH if damage.paint else NEAR) // STEP):
        near = grow_by(grown, STEP)
        wanted = (near > grown) & (touched > 0) if confined else near > grown
        share, error = _share(near, picture, paint, wanted)
        add = _at(wanted, share > np.maximum(least, SURE * error))
        if not add.any():
            break
        grown = grown | add
    if damage.block == (1, 1):
        return _closed(grown)
    # Chroma of a block is coded together, and spread over its neighbours' edges when it is decoded.
    near = _blocks(grown, damage.block, offset)
    reach = near if confined else grow_by(near, STEP)
    share, error = _share(grow_by(near, STEP), picture, paint, reach > grown)
    add = _at(reach > grown, np.abs(share) > np.maximum(least, error * (1 if damage.paint else SURE)))
    grown = _closed(grown | add)
    return (grown & touched) | hole if confined else grown


def _at(places: np.ndarray, true: np.ndarray) -> np.ndarray:
    """uint8 (H, W): 1 at those of ``places``, bool (H, W), that are ``true``, bool (P,)."""
    result = np.zeros(places.shape, np.uint8)
    result[places] = true
    return result


def _closed(grown: np.ndarray) -> np.ndarray:
    """Single pixels between grown ones are grown too."""
    return cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) | grown


def _paint(hole: np.ndarray, picture: np.ndarray, marker: tuple[int, int, int] | None) -> np.ndarray | None:
    """Y, Cr, Cb of the paint; None where the hole's own pixels are not of one colour."""
    if marker is None:
        channels = np.ascontiguousarray(picture[pixels_of(hole)].T)  # one by one: several times as fast
        middle = np.median(channels, axis=1).astype(np.float32)
        off = np.abs(channels - middle[:, None])
        if np.percentile(np.maximum(np.maximum(off[0], off[1]), off[2]), 75) > UNIFORM:
            return None
        red, green, blue = (int(level) for level in middle)
        marker = red, green, blue
    return cv2.cvtColor(np.array(marker, np.uint8).reshape(1, 1, 3), cv2.COLOR_RGB2YCrCb).astype(np.float32)[0, 0]


def _is_mixed(hole: np.ndarray, picture: np.ndarray, paint: np.ndarray) -> bool:
    """Whether the pixels just outside the hole are, by and large, mixtures with its paint."""
    share, error = _share(grow_by(hole, STEP), picture, paint, grow_by(hole, 1) > hole)
    told = np.isfinite(error)
    if told.sum() < TOLD * len(told):
        return False
    share, error = share[told], error[told]
    return float(np.median(share)) > MIXED_RING and float(np.mean(share > error)) > MIXED_MOST


def _blocks(hole: np.ndarray, block: tuple[int, int], offset: tuple[int, int]) -> np.ndarray:
    """uint8 (H, W): the blocks that the hole touches. ``offset``: of the array's first pixel in its block."""
    if block == (1, 1):
        return hole
    rows = (np.arange(hole.shape[0]) + offset[0]) // block[0]
    columns = (np.arange(hole.shape[1]) + offset[1]) // block[1]
    starts = np.flatnonzero(np.diff(rows, prepend=-1)), np.flatnonzero(np.diff(columns, prepend=-1))
    touched = np.maximum.reduceat(np.maximum.reduceat(hole, starts[0], 0), starts[1], 1)
    return touched[np.ix_(rows - rows[0], columns - columns[0])]


def _share(
    damaged: np.ndarray, picture: np.ndarray, paint: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share of paint and its standard error, float32 (P,) each, at the ``wanted`` pixels, bool (H, W), row by row; the
    error is infinite where it cannot be told.

    damaged: uint8 (H, W), 1 where pixels are no witness of nature; picture: uint8 RGB (H, W, 3); paint: Y, Cr, Cb (3,).
    Only the surroundings of wanted pixels are looked at.
    """
    # Wide enough that the middle of a block still sees past the block's edge.
    deepest = cv2.distanceTransform(damaged, cv2.DIST_L2, 3).max()
    reach = int(min(deepest, 2 * STEP + 16) + SPAN)
    share, error = np.empty(wanted.shape, np.float32), np.empty(wanted.shape, np.float32)
    for window, inner in _looked_at(wanted, reach + SPAN + STEP + 1):
        places = np.nonzero(wanted[inner])
        row, column = inner[0].start - window[0].start, inner[1].start - window[1].start
        seen = places[0] + row, places[1] + column
        share[inner][places], error[inner][places] = _share_at(damaged[window], picture[window], paint, seen, reach)
    return share[wanted], error[wanted]


def _share_at(
    damaged: np.ndarray, picture: np.ndarray, paint: np.ndarray, places: tuple[np.ndarray, ...], reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`_share` at ``places`` (rows, columns), from what lies within ``reach`` of them."""
    levels = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YCrCb).astype(np.float32)
    distance = cv2.distanceTransform(1 - damaged, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    witness = ((damaged == 0) & (distance <= SPAN + STEP)).astype(np.float32)
    side = 2 * reach + 1
    summed = lambda array: cv2.boxFilter(  # noqa: E731
        array, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT
    )[places]
    weight = summed(witness)[:, None]
    few = weight[:, 0] < 0.5
    weight = np.maximum(weight, 1)
    seen = levels * witness[..., None]
    nature = summed(seen) / weight
    spread = np.maximum(summed(levels * seen) / weight - nature**2, np.square(np.array(QUIET, np.float32)))
    away = paint - nature
    precision = (away**2 / spread).sum(-1)
    share = (away * (levels[places] - nature) / spread).sum(-1) / np.maximum(precision, 1e-6)
    error = 1 / np.sqrt(np.maximum(precision, 1e-6))
    error[few | (np.abs(away).max(-1) < LEAST_DIFFERENCE)] = np.inf
    return share, error


Window = tuple[slice, slice]


def _looked_at(wanted: np.ndarray, margin: int) -> Iterator[tuple[Window, Window]]:
    """Rectangles that together hold all ``wanted`` pixels, bool (H, W): each with ``margin`` about it, and alone."""
    height, width = wanted.shape
    rows, columns = -(-height // CELL), -(-width // CELL)
    padded = np.zeros((rows * CELL, columns * CELL), np.uint8)
    padded[:height, :width] = wanted
    cells = cv2.resize(padded * np.uint8(255), (columns, rows), interpolation=cv2.INTER_AREA) > 0
    near = cv2.dilate(cells.astype(np.uint8), np.ones((3, 3), np.uint8))
    count, _, boxes, _ = labelled(near)
    for x, y, wide, high, _ in boxes[1:count] * CELL:
        top, left, bottom, right = int(y), int(x), min(height, int(y + high)), min(width, int(x + wide))
        around = (
            slice(max(0, top - margin), min(height, bottom + margin)),
            slice(max(0, left - margin), min(width, right + margin)),
        )
        yield around, (slice(top, bottom), slice(left, right))
