"""Label maps: which part of a face a pixel shows, as a PNG of class numbers beside the picture."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from faceinpaint.errors import InputError
from faceinpaint.photos.opening import check_runs_nothing

MOST_CLASSES = 256
IN_A_MIRROR = np.array([0, 1, 2, 3, 5, 4, 7, 6, 9, 8, *range(10, 19)], np.uint8)  # CelebAMask-HQ's: eyes, brows, ears


def decode_labels(data: bytes | None, shape: tuple[int, ...], classes: int = MOST_CLASSES) -> np.ndarray:
    """A grey or palette picture of class numbers below ``classes`` -> uint8 (H, W), for a picture of that ``shape``.

    A map of another size but the same proportions is scaled, each pixel to its nearest. Raises :class:`InputError` for
    what is no such map.
    """
    if data is None:
        raise InputError("has no label map")
    try:
        with Image.open(io.BytesIO(data)) as file:
            check_runs_nothing(file)
            if file.mode not in ("L", "P"):
                raise InputError(f"its label map is {file.mode}: need a grey or palette PNG of class numbers")
            labels = np.asarray(file)
    except InputError:
        raise
    except Exception as error:  # hostile files make decoders raise anything
        what = (str(error) or type(error).__name__).splitlines()[0].partition("<")[0]  # a memory address may follow
        raise InputError(f"its label map cannot be read: {what.strip()}") from None
    height, width = shape[:2]
    if labels.shape != (height, width):
        if abs(labels.shape[0] * width - labels.shape[1] * height) > max(height, width):
            raise InputError(f"its label map is {labels.shape[1]}x{labels.shape[0]}, the picture {width}x{height}")
        labels = np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))
    if labels.max() >= classes:
        raise InputError(f"its label map has class {labels.max()}: the configuration has 0 to {classes - 1}")
    return labels


def mirrored_labels(labels: np.ndarray, classes: int) -> np.ndarray:
    """The label map uint8 (H, W) of the mirrored picture: what was a left eye, brow or ear is a right one there.

    ``classes``: how many there are. Only CelebAMask-HQ's 19, in the order of its own tool, are known; of other sets
    nobody says which two classes are a pair, so a map is turned over and its classes stay.
    """
    turned = labels[:, ::-1]
    return IN_A_MIRROR[turned] if classes == len(IN_A_MIRROR) else turned
