"""The model's part of the pipeline: a Ray Data actor that paints the patches of many pictures in full batches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from faceinpaint import telemetry
from faceinpaint.config import Precision
from faceinpaint.device import settle
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.work import Examined, Painted, pack, unpack
from faceinpaint.models.two_stage import window_side

MODEL_BATCH = 8  # of patches whose windows are alike: larger ones would be padded more


class Painter:
    """Paints the crops of examined pictures.

    Every forward pass has MODEL_BATCH patches, the last one padded, and the window that each of them would get alone:
    so a picture's result does not depend on what came with it, on this run or another.
    """

    def __init__(self, weights: str, precision: Precision, threads: int, gpu: bool = False):
        if threads:
            settle(threads)
        torch.backends.cudnn.deterministic = True
        # Ray hides no GPU from those that asked for none.
        self.inpainter = Inpainter.load(weights, device=None if gpu else "cpu", precision=precision)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        began = time.perf_counter()
        pictures: list[Examined] = unpack(batch["work"])
        with_crops = [i for i, examined in enumerate(pictures) if examined.crops is not None]
        painted = [Painted(examined=examined) for examined in pictures]
        if with_crops:
            crops = np.concatenate([pictures[i].crops for i in with_crops])
            holes = np.concatenate([pictures[i].holes for i in with_crops])
            with telemetry.step("paint", len(with_crops)):
                patches = paint(self.inpainter, crops, holes)
            ends = np.cumsum([len(pictures[i].patches) for i in with_crops])
            for i, part in zip(with_crops, np.split(patches, ends[:-1]), strict=True):
                painted[i] = Painted(examined=pictures[i], patches=part)
                pictures[i].row.seconds += (time.perf_counter() - began) * len(part) / len(crops)
        return {"work": pack(painted)}


def paint(inpainter: Inpainter, crops: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """uint8 crops (N, S, S, 3) and holes (N, S, S), 1 in the hole -> uint8 (N, S, S, 3), in padded batches.

    Patches whose holes fit windows of one size go together.
    """
    painted = np.empty_like(crops)
    sides = np.array([window_side(hole[None]) for hole in holes])
    for side in np.unique(sides):
        alike = np.flatnonzero(sides == side)
        for first in range(0, len(alike), MODEL_BATCH):
            chosen = alike[first : first + MODEL_BATCH]
            padded = np.resize(chosen, MODEL_BATCH)  # repeats the chosen ones
            painted[chosen] = inpainter.restore_batch(crops[padded], holes[padded])[: len(chosen)]
    return painted
