"""GIF of one frame: every pixel outside the hole keeps its place in the palette, and the palette its colours.

The hole's colours go into the places of the palette that no pixel uses; each pixel takes the nearest colour there is.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

MOST_COLOURS = 256


def write_gif(file: Image.Image, values: np.ndarray, hole: np.ndarray, opaque: bool) -> bytes:
    """``file``, a loaded GIF, with ``values`` uint8 (H, W, C), grey or RGB first, where ``hole`` bool (H, W) is set.

    Where ``opaque`` is not set, pixels of the hole that were transparent stay so.
    """
    places = np.asarray(file).copy()
    clear = file.info.get("transparency")
    if clear is not None and not opaque:
        hole = hole & (places != clear)
    colours = _palette(file)
    used = np.zeros(MOST_COLOURS, bool)
    used[places[~hole]] = True
    if clear is not None:
        used[clear] = True
    new = values[..., :3][hole] if values.shape[2] >= 3 else np.repeat(values[..., :1][hole], 3, -1)
    free = np.flatnonzero(~used)
    if len(free) and len(new):
        chosen = _chosen(new, len(free))
        free = free[: len(chosen)]
        colours[free] = chosen[: len(free)]
        used[free] = True
    usable = np.flatnonzero(used & (np.arange(MOST_COLOURS) != (-1 if clear is None else clear)))
    places[hole] = usable[_nearest(new, colours[usable])]
    picture = Image.fromarray(places, "P")
    picture.putpalette(colours.tobytes(), "RGB")
    kept = {name: file.info[name] for name in ("transparency", "background", "comment", "version") if name in file.info}
    sink = io.BytesIO()
    picture.save(sink, "GIF", optimize=False, interlace=int(bool(file.info.get("interlace", 0))), **kept)
    return sink.getvalue()


def _palette(file: Image.Image) -> np.ndarray:
    """uint8 (256, 3); places beyond the file's own are black."""
    if file.mode == "L":
        return np.repeat(np.arange(MOST_COLOURS, dtype=np.uint8)[:, None], 3, 1)
    colours = np.zeros((MOST_COLOURS, 3), np.uint8)
    found = np.array(file.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(found)] = found
    return colours


def _chosen(pixels: np.ndarray, number: int) -> np.ndarray:
    """At most ``number`` colours uint8 (N, 3) that stand for the pixels (P, 3), by median cut."""
    picture = Image.fromarray(np.ascontiguousarray(pixels[None])).quantize(number, Image.Quantize.MEDIANCUT, kmeans=1)
    colours = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return colours[np.unique(np.asarray(picture))]


def _nearest(pixels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """For each pixel (P, 3) the place of the nearest of the colours (N, 3)."""
    found = np.empty(len(pixels), np.int64)
    for first in range(0, len(pixels), 4096):
        part = pixels[first : first + 4096].astype(np.int32)
        found[first : first + 4096] = ((part[:, None] - colours.astype(np.int32)) ** 2).sum(-1).argmin(1)
    return found
