"""A picture with a hole as the model is to see it, and its samples with the hole filled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from faceinpaint.photos.colours import WITNESSES, Colours, range_of, to_8_bits
from faceinpaint.photos.profile import CHANNELS
from faceinpaint.photos.tone import Tone, find_tones


@dataclass(frozen=True)
class View:
    """rgb: what is seen, uint8 sRGB (H, W, 3), greys where all of it is of one tint; samples: the file's (H, W, C);
    colours: what they mean; tones: where one tint rules. All are as stored, not turned upright."""

    rgb: np.ndarray
    samples: np.ndarray
    colours: Colours
    tones: list[Tone]

    @property
    def alpha(self) -> np.ndarray | None:
        """Transparency uint8 (H, W), 255 opaque; None without."""
        if not self.colours.mode.endswith("A"):
            return None
        return to_8_bits(self.samples[..., self.colours.channels], self.colours.alpha_top)

    def is_erased(self, hole: np.ndarray) -> bool:
        """Whether the ``hole`` bool (H, W) is transparent and what lies around it is not: it is not to stay so."""
        if self.alpha is None or not hole.any():
            return False
        around = (cv2.dilate(hole.astype(np.uint8), np.ones((AROUND, AROUND), np.uint8)) > 0) & ~hole
        shown = self.alpha >= VISIBLE
        return bool(around.any() and shown[hole].mean() <= 1 - MOST and shown[around].mean() >= MOST)

    def part(self, box: tuple[int, int, int, int]) -> View:
        """What lies in (left, top, right, bottom) of it."""
        left, top, right, bottom = box
        window = slice(top, bottom), slice(left, right)
        tones = [tone for tone in (tone.moved(*box) for tone in self.tones) if tone is not None]
        return replace(self, rgb=self.rgb[window].copy(), samples=self.samples[window].copy(), tones=tones)

    def filled(self, restored: np.ndarray, hole: np.ndarray, opaque: bool = False) -> np.ndarray:
        """A copy of the samples, the hole's taken from ``restored``; every other one is the file's.

        restored: uint8 sRGB (H, W, 3) of the same kind as ``rgb``; hole: uint8 (H, W), 1 inside. ``opaque``: hole
        pixels lose their transparency.
        """
        y, x = np.divmod(
            np.flatnonzero(hole), hole.shape[1]
        )  # by their places: few pixels of a large picture cost little
        samples = self.samples.copy()
        wanted = restored[y, x]
        has_alpha, channels = self.colours.mode.endswith("A"), self.colours.channels
        if has_alpha and not opaque:
            wanted = _off_white(wanted, to_8_bits(samples[y, x, channels : channels + 1], self.colours.alpha_top))
        samples[y, x, :channels] = self.colours.written(wanted, samples.dtype)
        for tone in self.tones:
            rows, columns = tone.window
            part = (y >= rows.start) & (y < rows.stop) & (x >= columns.start) & (x < columns.stop)
            grey = cv2.cvtColor(wanted[None], cv2.COLOR_RGB2GRAY)[0]
            samples[y[part], x[part], :channels] = tone.samples[grey[part]]
        if has_alpha and opaque:
            samples[y, x, channels] = self.colours.alpha_top
        return samples


ALL_BITS = 65535
VISIBLE = 128  # alpha from here up shows
MOST = 0.9  # of a hole's pixels, and of those around it
AROUND = 7  # pixels across, which the pixels around a hole are looked for in


def view_of(
    samples: np.ndarray, mode: str, profile: bytes | None, hole: np.ndarray | None = None, largest: int | None = None
) -> View:
    """How to see samples (H, W, C) of a mode and an ICC profile; ``hole`` uint8 (H, W) is no witness of anything.

    largest: level of full white or ink that the file states; None, or all of its 16 bits: what its brightest tells.
    """
    colours = colours_of(samples, mode, profile, hole, largest)
    rgb = colours.seen(samples)
    if hole is None or (hole[0, 0] and cv2.countNonZero(hole) == hole.size):
        return View(rgb, samples, colours, [])
    if colours.base == "L":
        return View(rgb, samples, colours, [])
    tones = find_tones(samples[..., : colours.channels], rgb, hole, _greys(colours, samples.dtype))
    if tones and tones[0].is_whole(rgb):  # the model knows greys better than tints
        rgb = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if mode == "CMYK":
        colours = replace(colours, inks=_witnesses(samples, hole))
    return View(rgb, samples, colours, tones)


def colours_of(
    samples: np.ndarray, mode: str, profile: bytes | None, hole: np.ndarray | None, largest: int | None = None
) -> Colours:
    """What samples (H, W, C) mean; pixels of the ``hole`` uint8 (H, W) do not stretch the range."""
    if largest is not None and largest < ALL_BITS:
        return Colours(mode=mode, top=largest, alpha_top=largest, profile=profile)
    wide = samples.dtype != np.uint8
    valid = samples[hole == 0] if wide and hole is not None and (hole == 0).any() else samples
    n = CHANNELS[mode.removesuffix("A")]
    black, top = range_of(valid[..., :n])
    alpha_top = top
    if mode.endswith("A") and wide:
        alpha_top = _opaque(samples[..., n], top)
    return Colours(mode=mode, top=top, black=black, alpha_top=alpha_top, profile=profile)


def _opaque(alpha: np.ndarray, top: float) -> float:
    """The level that is opaque: of floats by their own range, else the colours' white, or all bits where it is more."""
    if alpha.dtype.kind == "f":
        return range_of(alpha)[1]
    return float(np.iinfo(alpha.dtype).max) if alpha.max() > top else top


def _greys(colours: Colours, dtype: np.dtype) -> np.ndarray | None:
    """(256, 3) of equal channels: the samples of each grey; None for inks."""
    if colours.base != "RGB":
        return None
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
    return np.repeat(colours.written(levels, dtype)[:, 1:2], 3, 1)


def _witnesses(samples: np.ndarray, hole: np.ndarray) -> np.ndarray:
    valid = samples[hole == 0][:, :4]
    return valid[:: max(1, len(valid) // WITNESSES)]


def _off_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The colours that look like ``rgb`` uint8 (N, 3) through ``alpha`` uint8 (N, 1) over white."""
    share = np.maximum(alpha.astype(np.float32), 1) / 255
    return np.clip(np.rint(255 - (255 - rgb.astype(np.float32)) / share), 0, 255).astype(np.uint8)
