"""New pixels in the blocks of a JPEG's coefficients that a hole touches; no other block is looked at.

A JPEG codes its picture in units (MCUs; ITU-T T.81, annex A.2): as many 8 x 8 blocks of each component as its sampling
says. The work is done for the touched units alone, some at a time, so that thousands of specks all over a picture cost
what one hole of as many units costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import jpegio
import numpy as np

from faceinpaint.photos.coding import Change

BLOCK = 8  # pixels, of a component
GREY, RGB, YCC, CMYK, YCCK = 1, 2, 3, 4, 5  # libjpeg's colour spaces
# JFIF 1.02: Y, Cb, Cr of R, G, B; the middle of Cb and Cr is 128
YCC_OF_RGB = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
MIDDLE = 128  # is taken from samples before their transform
LARGEST = 1023  # absolute value of a coefficient of 8 bit pictures
AT_ONCE = 2048  # units: bounds the memory that a large hole needs


def paint(jpeg: jpegio.DecompressedJpeg, change: Change, space: int, slots: list[int]) -> None:
    """Put ``change`` into the coefficients of the blocks that its hole touches.

    space: what the components are, of libjpeg's colour spaces; slots: the number by which components call each of the
    JPEG's quantisation tables.
    """
    high, wide = BLOCK * jpeg.max_v_samp_factor, BLOCK * jpeg.max_h_samp_factor
    tables = [jpeg.quant_tables[slots.index(part.quant_tbl_no)].astype(np.float32) for part in jpeg.comp_info]
    targets = [_blocks(array) for array in jpeg.coef_arrays]
    for units in _touched(change, high, wide):
        hole, new = _pixels(change, units, (high, wide), (jpeg.image_height, jpeg.image_width), space)
        for i, part in enumerate(jpeg.comp_info):
            across, down = jpeg.max_h_samp_factor // part.h_samp_factor, jpeg.max_v_samp_factor // part.v_samp_factor
            share, samples = (_unit_blocks(_shrunk(array, across, down)) for array in (hole, new[..., i]))
            rows = (units[:, 0] * part.v_samp_factor)[:, None, None] + np.arange(share.shape[1])[:, None]
            columns = (units[:, 1] * part.h_samp_factor)[:, None, None] + np.arange(share.shape[2])
            rows, columns = np.broadcast_arrays(rows, columns)
            # A component ends with its last own block, which may be before its last unit does.
            inside = share.any((3, 4)) & (rows < targets[i].shape[0]) & (columns < targets[i].shape[1])
            place = rows[inside], columns[inside]
            targets[i][place] = _coded(targets[i][place], samples[inside], share[inside], tables[i])


def _touched(change: Change, high: int, wide: int) -> Iterator[np.ndarray]:
    """Rows and columns (n, 2), in units of ``high`` x ``wide`` pixels of the picture, of those with pixels of the hole:
    at most :data:`AT_ONCE` at a time."""
    height, width = change.hole.shape
    top, left = change.top % high, change.left % wide
    hole = np.pad(change.hole, ((top, -(top + height) % high), (left, -(left + width) % wide)))
    rows, columns = hole.shape[0] // high, hole.shape[1] // wide
    lines = np.logical_or.reduce(hole.reshape(rows, high, columns * wide), axis=1)
    units = np.argwhere(lines.reshape(rows, columns, wide).any(2))
    units += np.array([change.top // high, change.left // wide])
    for start in range(0, len(units), AT_ONCE):
        yield units[start : start + AT_ONCE]


def _pixels(
    change: Change, units: np.ndarray, unit: tuple[int, int], size: tuple[int, int], space: int
) -> tuple[np.ndarray, np.ndarray]:
    """The hole, float32 (n, high, wide), 1 inside, and the components of its samples (n, high, wide, C), 0 elsewhere.

    Beyond the lower and right ends of a picture of ``size`` (H, W) lie its last pixels, as encoders do it.
    """
    places, insides = [], []
    starts = (change.top, change.left)
    for axis, (start, length) in enumerate(zip(starts, change.hole.shape, strict=True)):
        place = units[:, axis : axis + 1] * unit[axis] + np.arange(unit[axis])
        place = np.minimum(place, size[axis] - 1) - start
        insides.append((place >= 0) & (place < length))
        places.append(place.clip(0, length - 1))
    box = places[0][:, :, None], places[1][:, None, :]
    hole = (change.hole[box] & insides[0][:, :, None] & insides[1][:, None, :]).astype(np.float32)
    return hole, _components(change.samples[box], space) * hole[..., None]


def _coded(old: np.ndarray, new: np.ndarray, share: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Coefficients of blocks (n, 8, 8). old: theirs so far; new: float, samples of the hole times ``share``, the hole's
    share of each sample, 0 to 1."""
    from scipy import fft  # a single picture of another kind would wait for its import

    samples = fft.idctn(old * table, axes=(1, 2), norm="ortho")
    samples = samples * (1 - share) + new
    coefficients = np.rint(fft.dctn(samples, axes=(1, 2), norm="ortho") / table).clip(-LARGEST, LARGEST)
    return coefficients.astype(old.dtype)


def _blocks(array: np.ndarray) -> np.ndarray:
    """(rows, columns, 8, 8), a view of (8 rows, 8 columns)."""
    height, width = array.shape
    return array.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).swapaxes(1, 2)


def _unit_blocks(array: np.ndarray) -> np.ndarray:
    """(n, rows, columns, 8, 8), a view of (n, 8 rows, 8 columns)."""
    count, height, width = array.shape
    return array.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK).swapaxes(2, 3)


def _shrunk(array: np.ndarray, across: int, down: int) -> np.ndarray:
    """Means over ``down`` x ``across`` samples of (n, h, w)."""
    lines = (reduce(np.add, (array[:, i::down, j::across] for j in range(across))) for i in range(down))
    return reduce(np.add, lines) / np.float32(down * across)  # many times as fast as mean, and the same


def _components(samples: np.ndarray, space: int) -> np.ndarray:
    """float32 (..., C): the JPEG's own components, less their middle, of samples as Pillow decodes them.

    Pillow takes every JPEG of inks for Adobe's, which stores them inverted.
    """
    values = samples.astype(np.float32)
    if space in (CMYK, YCCK):
        values[..., 3] = 255 - values[..., 3]
    if space == CMYK:
        values[..., :3] = 255 - values[..., :3]
    if space in (YCC, YCCK):
        values[..., :3] = values[..., :3] @ YCC_OF_RGB.T + [0, MIDDLE, MIDDLE]
    return values - MIDDLE
