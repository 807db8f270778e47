"""Colour profiles (ICC) through LittleCMS: samples of a file -> sRGB as the model sees it, and back."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}  # what a profile says, by mode
CHANNELS = {"L": 1, "RGB": 3, "CMYK": 4, "LAB": 3}
ALIKE = 3  # levels of 255 that an sRGB profile may be off
LATTICE = np.linspace(0, 255, 9).astype(np.uint8)

Transform = Callable[[np.ndarray], np.ndarray]  # uint8 (N, C) -> uint8 (N, D)


@functools.lru_cache(maxsize=8)
def to_srgb(profile: bytes | None, mode: str) -> Transform | None:
    """The way from samples of ``mode`` (L, RGB, CMYK) to sRGB by an embedded profile.

    None where there is no profile, it is damaged, of another kind of colour, or sRGB itself.
    """
    source = _opened(profile, mode)
    if source is None:
        return None
    there = _transform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    if there is None or (mode == "RGB" and np.abs(there(_lattice()).astype(int) - _lattice()).max() <= ALIKE):
        return None
    return there


@functools.lru_cache(maxsize=8)
def from_srgb(profile: bytes | None, mode: str) -> Transform | None:
    """Inverse of :func:`to_srgb`, for RGB."""
    target = _opened(profile, mode)
    return None if target is None else _transform(ImageCms.createProfile("sRGB"), target, "RGB", mode)


def _opened(profile: bytes | None, mode: str) -> ImageCms.ImageCmsProfile | None:
    if not profile or mode not in SPACES:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ImageCms.PyCMSError, ValueError):
        return None
    return opened if opened.profile.xcolor_space.strip() == SPACES[mode] else None


def _transform(
    source: ImageCms.ImageCmsProfile | ImageCms.core.CmsProfile, target: object, before: str, after: str
) -> Transform | None:
    try:
        transform = ImageCms.buildTransform(
            source,
            target,  # type: ignore[arg-type]
            before,
            after,
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError:
        return None

    def apply(samples: np.ndarray) -> np.ndarray:
        image = Image.frombytes(before, (len(samples), 1), np.ascontiguousarray(samples).tobytes())
        seen = ImageCms.applyTransform(image, transform)
        assert seen is not None
        return np.asarray(seen).reshape(len(samples), CHANNELS[after])

    return apply


def _lattice() -> np.ndarray:
    """(729, 3): colours all over the cube."""
    return np.stack(np.meshgrid(LATTICE, LATTICE, LATTICE, indexing="ij"), -1).reshape(-1, 3)
