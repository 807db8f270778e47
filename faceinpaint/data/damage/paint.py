"""Tiles for the detector: a part of a picture, aged, damaged (half of the time), scanned, with the truth beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from faceinpaint.data.damage.draw import Layer, Random, chance, log_between
from faceinpaint.data.damage.film import FilmShapes, read_film_shapes
from faceinpaint.data.damage.kinds import KINDS
from faceinpaint.data.damage.lookalikes import LOOKALIKES
from faceinpaint.data.damage.looks import aged, scanned
from faceinpaint.photos.decode import decode_rgb

CLEAN, DAMAGED, UNSURE = 0, 1, 2  # values of a truth; UNSURE: too faint to be asked for, or an edge
LEAST_CHANGE = 22.0  # levels of 255 by which damage must change a pixel to be asked for
LEAST_COVERAGE = 0.3
TRACE = 0.02  # coverage from which on a pixel is not clean either
DAMAGED_SHARE = 0.5  # of tiles
FILM_SHARE = 0.3  # of pieces of damage, where there are shapes of film damage
LOOKALIKE_SHARE = 0.45  # of tiles
OTHER_BACKGROUNDS = 0.15  # share of tiles that show no picture of the training data
# What scikit-image ships: text, textures and things, all of them undamaged.
SHIPPED = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png",
    "page.png", "text.png", "rocket.jpg", "motorcycle_left.png",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What is drawn onto tiles of ``size`` pixels, in few words: it travels to every process.

    shapes: Parquet file of film damage, or None; kept_apart: its kinds that are not drawn, for measuring.
    """

    size: int
    shapes: str | None = None
    kept_apart: tuple[str, ...] = ()


@lru_cache(maxsize=2)
def painter(damage: Damage) -> DamagePainter:
    """The painter of ``damage``; each process reads the shapes once. Raises :class:`InputError` when it cannot."""
    film = read_film_shapes(damage.shapes).for_training(damage.kept_apart) if damage.shapes else None
    return DamagePainter(size=damage.size, film=film)


@dataclass(frozen=True, kw_only=True)
class DamagePainter:
    """Draws tiles of ``size`` pixels.

    kinds: which of KINDS; film: shapes of film damage beside them, or None.
    """

    size: int
    kinds: tuple[str, ...] = tuple(KINDS)
    film: FilmShapes | None = field(default=None, repr=False)

    def tile(self, random: Random, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A tile of ``picture`` uint8 (H, W, 3): uint8 (S, S, 3), and its truth uint8 (S, S)."""
        if chance(random, OTHER_BACKGROUNDS):
            picture = shipped_pictures()[int(random.integers(len(SHIPPED)))]
        base = aged(random, part_of(random, picture, self.size))
        if chance(random, LOOKALIKE_SHARE):
            for _ in range(1 + int(random.integers(2))):
                drawn = LOOKALIKES[int(random.integers(len(LOOKALIKES)))](random, self.size)
                base = laid_over(base, drawn)[0]
        truth = np.full((self.size, self.size), CLEAN, np.uint8)
        if chance(random, DAMAGED_SHARE):
            base, truth = damaged(base, self._layers(random))
        return scanned(random, base), truth

    def _layers(self, random: Random) -> list[Layer]:
        """One to three pieces of damage."""
        layers: list[Layer] = []
        for _ in range(1 + int(random.integers(3))):
            if self.film and chance(random, FILM_SHARE):
                layers += self.film.layers(random, self.size)
            else:
                layers += KINDS[self.kinds[int(random.integers(len(self.kinds)))]](random, self.size)
        return layers


def part_of(random: Random, picture: np.ndarray, size: int) -> np.ndarray:
    """A square of a picture at a random scale, mirrored or not: float32 (size, size, 3).

    Photographs come in all resolutions: in the largest a tile shows a part of a cheek, in the smallest a whole face.
    """
    height, width = picture.shape[:2]
    side = min(size * log_between(random, 0.3, 1.4), height, width)
    side = max(16, int(side))
    y, x = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
    cut = picture[y : y + side, x : x + side]
    way = cv2.INTER_AREA if side > size else (cv2.INTER_CUBIC if chance(random, 0.5) else cv2.INTER_LANCZOS4)
    cut = cv2.resize(cut, (size, size), interpolation=way)
    return np.ascontiguousarray(cut[:, ::-1] if chance(random, 0.5) else cut).astype(np.float32)


def laid_over(picture: np.ndarray, layers: list[Layer]) -> tuple[np.ndarray, np.ndarray]:
    """``picture`` float32 (S, S, 3) under some layers, and how much of each pixel they take, float32 (S, S)."""
    clear = np.ones(picture.shape[:2], np.float32)
    for layer in layers:
        share = np.clip(layer.coverage, 0, 1)[..., None]
        top = layer.colour if layer.mode == "over" else picture * (layer.colour / 255)
        picture = picture + (top - picture) * share
        clear = clear * (1 - share[..., 0])
    return picture.astype(np.float32), 1 - clear


def damaged(picture: np.ndarray, layers: list[Layer]) -> tuple[np.ndarray, np.ndarray]:
    """``picture`` float32 (S, S, 3) with damage, and its truth: CLEAN, DAMAGED or UNSURE, uint8 (S, S).

    Damage of the picture's own colour cannot be seen, and an edge is nobody's: they are UNSURE.
    """
    after, coverage = laid_over(picture, layers)
    change = np.abs(after - picture).max(2)
    asked = (coverage >= LEAST_COVERAGE) & (change >= LEAST_CHANGE)
    truth = np.where(asked, DAMAGED, np.where(coverage > TRACE, UNSURE, CLEAN)).astype(np.uint8)
    ring = cv2.dilate(asked.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    truth[ring & (truth == CLEAN)] = UNSURE
    return after, truth


@lru_cache(maxsize=1)
def shipped_pictures() -> tuple[np.ndarray, ...]:
    """Pictures that scikit-image ships, uint8 RGB; nothing is downloaded."""
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    return tuple(decode_rgb((folder / name).read_bytes()) for name in SHIPPED)
