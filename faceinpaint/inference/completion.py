"""Parts of a proposal completed by colour: the detector sees a flat stroke's rim, and not what is far inside it."""

from __future__ import annotations

import cv2
import numpy as np

FLAT = 6.0  # levels: half of a flat part's pixels are within them of its colour, in every channel
ALIKE = 10  # levels within which a pixel has the part's colour
MOST_GROWTH = 4  # times a part's area that it becomes at most; beyond, the colour is the picture's own


def completed(picture: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The chosen parts, each with the pixels of its colour that it touches: bool (H, W).

    picture: uint8 RGB (H, W, 3); labels: int (H, W), 0 outside; chosen: numbers of parts (n,). A part that is not of
    one colour stays as it is, and so does one that would grow too far.
    """
    hole = np.isin(labels, chosen)
    boxes = _boxes(labels)
    for number in chosen:
        window = _window(boxes[number], labels.shape)
        part = labels[window] == number
        hole[window] |= _of_one_colour(picture[window], part)
    return hole


def _of_one_colour(picture: np.ndarray, part: np.ndarray) -> np.ndarray:
    """``part`` bool (h, w) with what it touches of its colour."""
    inside = picture[part].astype(np.int16)
    colour = np.rint(np.median(inside, axis=0))
    if np.median(np.abs(inside - colour).max(1)) > FLAT:
        return part
    alike = cv2.inRange(picture, colour - ALIKE, colour + ALIKE)
    alike[part] = 255
    _, regions = cv2.connectedComponents(alike, connectivity=4)
    touched = regions == np.bincount(regions[part]).argmax()
    return part | touched if touched.sum() <= MOST_GROWTH * part.sum() else part


def _boxes(labels: np.ndarray) -> dict[int, tuple[int, int, int, int]]:
    """The first and last row and column of each part, by its number."""
    rows, columns = np.nonzero(labels)
    numbers = labels[rows, columns]
    count = int(numbers.max(initial=0)) + 1
    first, last = np.full((2, count), np.iinfo(np.int64).max), np.full((2, count), -1)
    for axis, places in enumerate((rows, columns)):
        np.minimum.at(first[axis], numbers, places)
        np.maximum.at(last[axis], numbers, places)
    return {n: (first[0, n], last[0, n], first[1, n], last[1, n]) for n in range(1, count)}


def _window(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """A part's box, and about it as far as a straight stroke can grow."""
    top, bottom, left, right = box
    reach = (MOST_GROWTH - 1) * (max(bottom - top, right - left) + 1)
    return (
        slice(max(0, top - reach), min(shape[0], bottom + reach + 1)),
        slice(max(0, left - reach), min(shape[1], right + reach + 1)),
    )
