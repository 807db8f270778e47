"""Pictures without colour, or of one tint: found as such, so that what is painted into them stays so.

The picture's pixels, else those around each hole, are asked whether their colour follows from their luma. If it does,
each grey that the model paints becomes the samples that the picture has for it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

NEUTRAL = 1  # levels that channels may differ in a picture without colour
STRAY = 0.002  # share of pixels that may differ more
TINT_MEAN, TINT_MOST = 1.7, 7.3  # levels of chroma off the tint's curve: mean, and of all but a hundredth
SMOOTH = np.ones(9)  # greys over which the curve is smooth
NEAR = 4  # greys that a tint is taken from, if its own does not occur
CONTRAST = 48  # levels between a tint's shadows and lights; less shows too little of its curve
AROUND = 48  # pixels about a hole that are asked, at least, and as far as the hole is wide
FEW_WITNESSES, WITNESSES = 6_000, 400_000  # pixels that are asked whether, and what the tint is, at most
COARSE = 128  # side in pixels, on which neighbouring holes are joined


@dataclass(frozen=True)
class Tone:
    """A part of a picture of one tint. window: its rows and columns; samples: (256, C), the file's for each grey."""

    window: tuple[slice, slice]
    samples: np.ndarray

    def moved(self, left: int, top: int, right: int, bottom: int) -> Tone | None:
        """The tone in a part of the picture; None where it has no say there."""
        rows, columns = self.window
        inside = (
            slice(max(0, rows.start - top), min(bottom, rows.stop) - top),
            slice(max(0, columns.start - left), min(right, columns.stop) - left),
        )
        empty = any(part.stop <= part.start for part in inside)
        return None if empty else Tone(inside, self.samples)

    def is_whole(self, picture: np.ndarray) -> bool:
        """Whether the part is all of ``picture`` (H, W, ...)."""
        return (self.window[0].stop - self.window[0].start, self.window[1].stop - self.window[1].start) == (
            picture.shape[:2]
        )


def find_tones(samples: np.ndarray, seen: np.ndarray, hole: np.ndarray, greys: np.ndarray | None) -> list[Tone]:
    """The tone of the whole picture, or those around each group of holes; none where there is colour.

    samples: (H, W, C) without alpha; seen: the same as uint8 sRGB (H, W, 3); hole: uint8 (H, W), 1 inside; greys:
    (256, C), the samples of a grey where greys are equal channels; None where they are not (inks).
    """
    everywhere = _table(samples, seen, hole, greys)
    if everywhere is not None:
        return [Tone((slice(0, hole.shape[0]), slice(0, hole.shape[1])), everywhere)]
    tones = []
    for window in _surroundings(hole):
        table = _table(samples[window], seen[window], hole[window], greys)
        if table is not None:
            tones.append(Tone(window, table))
    return tones


def _surroundings(hole: np.ndarray) -> list[tuple[slice, slice]]:
    """Windows about groups of holes that stand apart, with what lies around each."""
    height, width = hole.shape
    scale = max(1, max(height, width) // COARSE)
    rows = height // scale * scale
    lines = hole[:rows].reshape(-1, scale, width).max(1)  # whole rows first: ten times as fast
    if rows < height:
        lines = np.concatenate([lines, hole[rows:].max(0, keepdims=True)])
    coarse = np.maximum.reduceat(lines, np.arange(0, width, scale), axis=1)
    near = 2 * (-(-AROUND // scale)) + 1
    count, _, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(coarse, np.ones((near, near), np.uint8)))
    windows = []
    for x, y, wide, high, _ in boxes[1:count]:
        beyond = max(wide, high) // 3  # of a box that has AROUND on either side already
        top, left = max(0, y - beyond) * scale, max(0, x - beyond) * scale
        bottom, right = (y + high + beyond) * scale, (x + wide + beyond) * scale
        windows.append((slice(top, min(height, bottom)), slice(left, min(width, right))))
    return windows


def _table(samples: np.ndarray, seen: np.ndarray, hole: np.ndarray, greys: np.ndarray | None) -> np.ndarray | None:
    """(256, C) samples by grey, where colour follows from luma; else None."""
    colours, own = _witnesses(samples, seen, hole, FEW_WITNESSES)
    if not len(colours):
        return None
    neutral = _strays(colours) <= STRAY
    if not neutral and not _is_tint(colours):
        return None
    colours, own = _witnesses(samples, seen, hole, WITNESSES)
    if neutral and greys is not None and max(_strays(colours), _strays(own)) <= STRAY:
        return greys
    return _filled(own, cv2.cvtColor(colours[None], cv2.COLOR_RGB2GRAY)[0])


def _witnesses(samples: np.ndarray, seen: np.ndarray, hole: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels outside the hole, on a lattice of about ``most``: as seen (N, 3), and the file's samples (N, C)."""
    stride = max(1, int(np.sqrt(hole.size / most)))
    valid = hole[::stride, ::stride] == 0
    return seen[::stride, ::stride][valid], samples[::stride, ::stride][valid]


def _strays(colours: np.ndarray) -> float:
    """The share of pixels (N, C) whose channels differ."""
    channels = colours.T  # one by one: many times as fast as along the short axis
    spread = functools.reduce(np.maximum, channels) - functools.reduce(np.minimum, channels)
    return float(np.mean(spread > NEUTRAL))


def _is_tint(colours: np.ndarray) -> bool:
    """Whether chroma follows from luma: Cr and Cb lie near a smooth curve over it."""
    luma = cv2.cvtColor(colours[None], cv2.COLOR_RGB2GRAY)[0]
    if np.subtract(*np.percentile(luma, [99, 1])) < CONTRAST:
        return False
    counts = np.bincount(luma, minlength=256).astype(np.float64)
    chroma = cv2.cvtColor(colours[None], cv2.COLOR_RGB2YCrCb)[0, :, 1:].astype(np.float64)
    off = np.zeros(len(luma))
    for channel in chroma.T:
        sums = np.bincount(luma, channel, 256)
        curve = np.convolve(sums, SMOOTH, "same") / np.maximum(np.convolve(counts, SMOOTH, "same"), 1)
        off = np.maximum(off, np.abs(channel - curve[luma]))
    return float(off.mean()) <= TINT_MEAN and float(np.percentile(off, 99)) <= TINT_MOST


def _filled(own: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """The middle sample of each grey. One that does not occur takes a near one's, or lies between two."""
    order = np.argsort(luma, kind="stable")
    sorted_own, levels = own[order], luma[order]
    greys, starts = np.unique(levels, return_index=True)
    ends = [*starts[1:], len(levels)]
    middles = np.stack([_middle(sorted_own[a:b]) for a, b in zip(starts, ends, strict=True)])
    every = np.arange(256)
    table = np.stack([np.interp(every, greys, channel) for channel in middles.T.astype(np.float64)], -1)
    nearest = np.abs(every[:, None] - greys).argmin(1)
    near = np.abs(every - greys[nearest]) <= NEAR
    table[near] = middles[nearest[near]]
    return (table if own.dtype.kind == "f" else np.rint(table)).astype(own.dtype)


def _middle(samples: np.ndarray) -> np.ndarray:
    """The median of each channel, of those that occur."""
    return np.sort(samples, axis=0)[(len(samples) - 1) // 2]
