"""What colours a file's samples are, and which samples make a colour: the model sees 8-bit sRGB and no other.

A file's range is that of its bits (10, 12 or 14 of 16, told by its brightest sample), its profile says what its numbers
mean, transparency shows a white page. New inks of CMYK are chosen as the picture's own are: as much black for as dark a
colour, so that the press finds the balance it had.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from faceinpaint.photos.profile import CHANNELS, Transform, from_srgb, to_srgb

BITS = (8, 10, 12, 14, 16, 24, 31, 32)  # that cameras and scanners use, of files that hold more
FLOAT_TOPS = (1, 255, 65535)
OVERSHOOT = 0.05  # of white, that floats may lie beyond black and white: resampling and lights do that
REACHED = 1 / 4  # of a white of 255 or 65535, by the brightest pixel of a picture of that range
ROUNDS = 16  # of the search for inks
PACE = 0.7  # of its steps
WITNESSES = 20_000  # pixels whose inks are looked at
NEAREST = 12  # of them, about a colour
STRIP = 1 << 20  # pixels converted at a time


@dataclass(frozen=True, kw_only=True)
class Colours:
    """A file's colours.

    mode: L, LA, RGB, RGBA, CMYK or LAB, channels behind it having no say; top: the sample that is white; black: the
    one that is black; alpha_top: the opaque one; profile: ICC bytes or None; inks: (N, 4) of the picture's own pixels,
    where new ones take after them (CMYK).
    """

    mode: str
    top: float = 255
    black: float = 0
    alpha_top: float = 255
    profile: bytes | None = None
    inks: np.ndarray = field(default_factory=lambda: np.empty((0, 4), np.uint8), repr=False)

    @property
    def base(self) -> str:
        """The mode without transparency."""
        return self.mode.removesuffix("A")

    @property
    def channels(self) -> int:
        """How many of a sample's channels are colour; alpha, where the mode has it, is the next one."""
        return CHANNELS[self.base]

    def seen(self, samples: np.ndarray) -> np.ndarray:
        """Samples (H, W, C) of any dtype -> uint8 sRGB (H, W, 3), over white where they are transparent."""
        if (
            self.mode == "RGB"
            and samples.dtype == np.uint8
            and self.top == 255
            and to_srgb(self.profile, "RGB") is None
        ):
            return samples[..., :3]
        height, width = samples.shape[:2]
        rows = max(1, STRIP // width)
        parts = [self._seen_strip(samples[row : row + rows]) for row in range(0, height, rows)]
        return np.concatenate(parts)

    def _seen_strip(self, samples: np.ndarray) -> np.ndarray:
        height, width = samples.shape[:2]
        n = self.channels
        rgb = self.seen_flat(to_8_bits(samples[..., :n], self.top, self.black).reshape(height * width, n))
        rgb = rgb.reshape(height, width, 3)
        clear = self.mode.endswith("A")
        return _on_white(rgb, to_8_bits(samples[..., n : n + 1], self.alpha_top)) if clear else rgb

    def seen_flat(self, levels: np.ndarray) -> np.ndarray:
        """uint8 (N, C) without alpha -> uint8 sRGB (N, 3)."""
        if self.base == "L":
            return _grey_table(self.profile)[levels[:, 0]]
        convert = to_srgb(self.profile, self.base)
        if convert is not None:
            return convert(levels)
        return levels if self.base == "RGB" else _plain_rgb(levels)

    def written(self, rgb: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """uint8 sRGB (N, 3) -> samples (N, C) of ``dtype``, without alpha."""
        if self.base == "L":
            table = _grey_table(self.profile)[:, 1].astype(int)
            luma = (rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)).round()
            levels = np.interp(luma, np.maximum.accumulate(table), np.arange(256))[:, None]
        elif self.base == "CMYK":
            levels = self._inked(rgb).astype(float)
        else:
            back = from_srgb(self.profile, "RGB") if to_srgb(self.profile, "RGB") is not None else None
            levels = (back(rgb) if back is not None else rgb).astype(float)
        samples = self.black + levels * ((self.top - self.black) / 255)
        return (samples if dtype.kind == "f" else np.rint(samples)).astype(dtype)

    def _inked(self, rgb: np.ndarray) -> np.ndarray:
        """uint8 sRGB (N, 3) -> uint8 inks (N, 4)."""
        packed = rgb.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
        codes, places = np.unique(packed, return_inverse=True)
        wanted = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1).astype(np.uint8)
        return inks_for(wanted, self.seen_flat, self.inks)[places]


def to_8_bits(samples: np.ndarray, top: float, black: float = 0) -> np.ndarray:
    """Samples of ``black`` to ``top`` -> uint8 of 0 to 255; what lies beyond is cut off."""
    if samples.dtype == np.uint8 and top == 255:
        return samples
    if samples.dtype == np.uint16:
        return _table(top)[samples]
    scaled = np.nan_to_num((samples.astype(np.float64) - black) * (255 / (top - black)), nan=0, posinf=255, neginf=0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def range_of(samples: np.ndarray) -> tuple[float, float]:
    """The black and the white of samples.

    Of whole numbers: 0, and that of the fewest usual bits that hold the brightest. Of floats: 0 and 1, 255 or 65535
    where all lie between, but for a little overshoot, and the brightest reaches a quarter of 255 or 65535; else the
    darkest and the brightest.
    """
    if samples.dtype.kind != "f":
        return 0, top_of(samples)
    finite = samples[np.isfinite(samples)]
    if not finite.size:
        return 0, 1
    low, high = float(finite.min()), float(finite.max())
    for top in FLOAT_TOPS:
        if -OVERSHOOT * top <= low and (top == 1 or high >= REACHED * top) and high <= (1 + OVERSHOOT) * top:
            return 0, top
    return low, high if high > low else low + 1


def top_of(samples: np.ndarray) -> float:
    """The white of whole numbers: that of the fewest usual bits that hold the brightest."""
    if samples.dtype == np.uint8:
        return 255
    largest = float(samples.max(initial=0))
    return next((2**bits - 1 for bits in BITS if largest <= 2**bits - 1), largest)


def inks_for(wanted: np.ndarray, seen: Transform, own: np.ndarray) -> np.ndarray:
    """uint8 inks (N, 4) that look like ``wanted`` uint8 (N, 3), with as much black as pixels ``own`` (M, 4) of such
    colours have. ``seen``: inks -> colours. Found by steps of Newton's kind; black gives way where it must."""
    target = wanted.astype(np.float32)
    inks = _like(wanted, seen, own)
    best, least = inks.copy(), np.full(len(inks), np.inf, np.float32)
    for _ in range(ROUNDS):
        rounded = np.rint(inks).astype(np.uint8)
        error = target - seen(rounded).astype(np.float32)
        size = np.abs(error).max(-1)
        better = size < least
        best[better], least[better] = rounded[better], size[better]
        gain = PACE * 255 / np.maximum(255 - inks[:, 3:], 32)
        inks[:, :3] -= gain * error
        none, full = (inks[:, :3] <= 0).all(-1), (inks[:, :3] >= 255).all(-1)
        stuck = (none & (error.min(-1) > 0)) | (full & (error.max(-1) < 0))
        inks[stuck, 3] -= PACE * error[stuck].mean(-1)
        inks = np.clip(inks, 0, 255)
    return best.astype(np.uint8)


def _like(wanted: np.ndarray, seen: Transform, own: np.ndarray) -> np.ndarray:
    """The mean inks of the pixels of ``own`` whose colours are nearest; without any, no black: float32 (N, 4)."""
    if not len(own):
        return np.concatenate([255 - wanted, np.zeros((len(wanted), 1))], -1).astype(np.float32)
    from scipy.spatial import cKDTree  # few pictures need it

    tree = cKDTree(seen(own).astype(np.float32))
    distance, place = tree.query(wanted.astype(np.float32), k=min(NEAREST, len(own)))
    distance, place = distance.reshape(len(wanted), -1), place.reshape(len(wanted), -1)
    weight = 1 / (distance + 1)
    return ((own[place] * weight[..., None]).sum(1) / weight.sum(1)[:, None]).astype(np.float32)


def _on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    if (alpha == 255).all():
        return rgb
    share = alpha.astype(np.uint16)
    return ((rgb * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def _plain_rgb(inks: np.ndarray) -> np.ndarray:
    """CMYK without a profile, as viewers show it: paper times what each ink lets through."""
    image = Image.frombytes("CMYK", (len(inks), 1), np.ascontiguousarray(inks).tobytes())
    return np.asarray(image.convert("RGB")).reshape(-1, 3)


@functools.lru_cache(maxsize=8)
def _grey_table(profile: bytes | None) -> np.ndarray:
    """sRGB of each of 256 greys: uint8 (256, 3), neutral."""
    convert = to_srgb(profile, "L")
    levels = np.arange(256, dtype=np.uint8)[:, None]
    grey = levels[:, 0] if convert is None else convert(levels)[:, 1]
    return np.repeat(grey[:, None], 3, 1)


@functools.lru_cache(maxsize=8)
def _table(top: float) -> np.ndarray:
    """uint8 (65536,) of 16-bit samples."""
    return np.minimum(np.arange(65536) * 256 // (int(top) + 1), 255).astype(np.uint8)  # the high bits
