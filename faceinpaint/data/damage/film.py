"""Shapes of film damage from a Parquet file: ``kind``, ``key``, ``mask`` (grey PNG), such as FilmDamageSimulator's."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceinpaint.data.damage.draw import Layer, Random, between, chance, log_between, pale_or_dark, softened
from faceinpaint.errors import InputError
from faceinpaint.storage import first_line, read_bytes

COLUMNS = ("kind", "mask")
MOST_COVER = 0.35  # of its square; a shape that covers more is the wrong way round, or no shape
LEAST_PIXELS = 12
APART = 5  # one shape of so many of each kind is kept for measuring
OPAQUE = 0.6  # share of shapes that let nothing through


@dataclass(frozen=True, kw_only=True)
class FilmShapes:
    """Shapes by kind: uint8 (H, W) each, 255 where the film is damaged, cut to what they cover."""

    shapes: dict[str, tuple[np.ndarray, ...]]

    def for_training(self, kept_apart: tuple[str, ...] = ()) -> FilmShapes:
        """The shapes to learn from: without the kinds ``kept_apart``, and of each other kind without the first fifth.

        Raises :class:`InputError` when nothing is left.
        """
        left = {k: v[len(v) // APART :] for k, v in self.shapes.items() if k not in kept_apart}
        if not any(left.values()):
            raise InputError(f"no shape is left to train on: all kinds ({', '.join(self.shapes)}) are kept apart")
        return FilmShapes(shapes=left)

    def for_measuring(self, kept_apart: tuple[str, ...] = ()) -> FilmShapes:
        """The other shapes: all of the kinds ``kept_apart``, and the first fifth of each other kind."""
        return FilmShapes(shapes={k: v if k in kept_apart else v[: len(v) // APART] for k, v in self.shapes.items()})

    def layers(self, random: Random, size: int, kind: str | None = None) -> list[Layer]:
        """One to three shapes of one kind, turned, mirrored and scaled, somewhere in a tile of ``size`` pixels."""
        kind = kind or sorted(self.shapes)[int(random.integers(len(self.shapes)))]
        coverage = np.zeros((size, size), np.float32)
        for _ in range(1 + int(random.integers(3))):
            shape = self.shapes[kind][int(random.integers(len(self.shapes[kind])))]
            coverage = np.maximum(coverage, _placed(random, shape, size))
        opacity = 1.0 if chance(random, OPAQUE) else between(random, 0.4, 1)
        soft = softened(coverage, between(random, 0, 0.8))
        return [Layer(coverage=soft * opacity, colour=pale_or_dark(random, 0.65))]


def read_film_shapes(uri: str) -> FilmShapes:
    """Read a Parquet file of shapes, local or s3://; those that cover nothing or nearly all are left out.

    Raises :class:`InputError` when the file is absent, damaged or holds no shape.
    """
    try:
        table = pq.read_table(io.BytesIO(read_bytes(uri)))
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{uri}: no readable Parquet file of shapes: {first_line(error)}") from None
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise InputError(f"{uri} has no column {', '.join(missing)}: film shapes need kind and mask (encoded pictures)")
    found: dict[str, list[np.ndarray]] = {}
    for kind, data in zip(table["kind"].to_pylist(), table["mask"].to_pylist(), strict=True):
        shape = _usable(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE))
        if shape is not None:
            found.setdefault(kind, []).append(shape)
    if not found:
        raise InputError(f"{uri} holds no usable shape")
    return FilmShapes(shapes={kind: tuple(shapes) for kind, shapes in sorted(found.items())})


def _usable(levels: np.ndarray | None) -> np.ndarray | None:
    """The shape cut to its bounding box; None when nothing of it can be used.

    Some shapes are stored the wrong way round, within bands of black along the border: what is left of those, once
    turned and freed from what touches the border, are their scratches.
    """
    if levels is None:
        return None
    if np.mean(levels > 127) > MOST_COVER:
        levels = _inner(255 - levels)
    x, y, width, height = cv2.boundingRect((levels > 127).astype(np.uint8))
    shape = levels[y : y + height, x : x + width]
    return shape if np.count_nonzero(shape > 127) >= LEAST_PIXELS else None


def _inner(levels: np.ndarray) -> np.ndarray:
    """``levels`` less the parts that touch the border."""
    _, labels = cv2.connectedComponents((levels > 127).astype(np.uint8))
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.where(np.isin(labels, rim), 0, levels).astype(np.uint8)


def _placed(random: Random, shape: np.ndarray, size: int) -> np.ndarray:
    """A shape in a tile: coverage float32 (S, S)."""
    extent = size * log_between(random, 0.15, 1.4)
    scale = float(np.clip(extent / max(shape.shape), 0.25, 1.5))
    angle = between(random, 0, 360)
    matrix = cv2.getRotationMatrix2D((shape.shape[1] / 2, shape.shape[0] / 2), angle, scale)
    if chance(random, 0.5):
        matrix[:, 0] *= -1
    middle = matrix @ np.array([shape.shape[1] / 2, shape.shape[0] / 2, 1])
    matrix[:, 2] += random.uniform(0, size, 2) - middle
    if scale < 0.7:  # else thin hairs fall between the pixels
        shape = cv2.GaussianBlur(shape, (0, 0), 0.4 / scale)
    return cv2.warpAffine(shape, matrix, (size, size), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
