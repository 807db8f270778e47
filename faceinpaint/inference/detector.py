"""Finding damage in one process: a picture of any size in, a proposal out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from faceinpaint.config import Precision
from faceinpaint.device import DTYPES, choose_device, lay_out, resolve_precision
from faceinpaint.errors import InputError
from faceinpaint.inference.proposal import Proposal, Rules, propose
from faceinpaint.models import build
from faceinpaint.models.detector import DamageDetector
from faceinpaint.models.freeze import fold_batch_norms
from faceinpaint.models.weights import load_config, load_weights

TILE = 2048  # pixels of a tile's side that are kept


class Detector:
    """A trained detector on a device. Load one with :meth:`load`. ``model_sha256``: hash of its weights file."""

    def __init__(self, model: DamageDetector, model_sha256: str, device: torch.device, precision: Precision):
        self.model_sha256, self.device = model_sha256, device
        self.precision = resolve_precision(precision, device)
        fold_batch_norms(model.eval())
        self.model = model.to(device, DTYPES[self.precision])
        lay_out(self.model, torch.channels_last)
        self.model.requires_grad_(False)

    @classmethod
    def load(cls, weights: str | Path, device: str | None = None, precision: Precision = "auto") -> Detector:
        """Load ``detector.safetensors`` of a weights folder (local or s3://).

        device: torch device; default CUDA when there is one. Raises :class:`InputError` when there is no such device,
        or the weights are missing, damaged or of another shape.
        """
        chosen = choose_device(device)
        model = build.build_detector(load_config(str(weights)))
        digest = load_weights(str(weights), "detector", model)
        return cls(model, digest, chosen, precision)

    def __call__(self, picture: np.ndarray, rules: Rules | None = None) -> Proposal:
        """What to propose for uint8 RGB (H, W, 3)."""
        return propose(self.probability(picture), rules, picture)

    @torch.inference_mode()
    def probability(self, picture: np.ndarray) -> np.ndarray:
        """uint8 RGB (H, W, 3) -> probability of damage float32 (H, W), tile by tile.

        Each tile is looked at as it is and mirrored, and the log-odds are averaged: what only one of the two takes for
        damage is mostly none.
        """
        height, width = picture.shape[:2]
        result = np.empty((height, width), np.float32)
        for seen, kept in tiles(height, width, self.model.reach):
            result[kept] = self._tile(picture[seen])[_within(kept, seen)]
        return result

    def _tile(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) -> float32 (h, w)."""
        height, width = pixels.shape[:2]
        below, right = -height % self.model.stride, -width % self.model.stride
        padded = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
        x = torch.from_numpy(padded).to(self.device).permute(2, 0, 1)[None].to(DTYPES[self.precision])
        x = x / 127.5 - 1
        plain, mirrored = (
            self.model(way.contiguous(memory_format=torch.channels_last))[0, 0].float() for way in (x, x.flip(3))
        )
        odds = (plain + mirrored.flip(1)) / 2
        return torch.sigmoid(odds[:height, :width]).cpu().numpy()


def check_detector(weights: str | None, sensitivity: float) -> str:
    """What the detector's proposals depend on, as text: the hash of its weights, and the sensitivity.

    Raises :class:`InputError` for a wrong sensitivity, and for weights that are missing or damaged.
    """
    assert weights is not None, "they have been found"
    if not 0 <= sensitivity <= 1:
        raise InputError(f"`sensitivity` {sensitivity}: give a number from 0 (marks least) to 1 (marks most)")
    return f"{Detector.load(weights, device='cpu').model_sha256} at {sensitivity:g}"


def tiles(height: int, width: int, margin: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """What the network sees and what is kept of it, (rows, columns) each: the kept parts are the whole picture.

    margin: pixels seen around the kept ones, as many as can change the answer; a multiple of the network's stride.
    Tiles begin at multiples of the network's stride, so a picture gets the same answer however it is cut.
    """
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            kept = (slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width)))
            seen = tuple(
                slice(max(0, k.start - margin), min(k.stop + margin, n))
                for k, n in zip(kept, (height, width), strict=True)
            )
            yield (seen[0], seen[1]), kept


def _within(part: tuple[slice, slice], whole: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, columns = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, whole, strict=True))
    return rows, columns
