"""The model's part of the pipeline: a Ray Data actor that paints the patches of many pictures in full batches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from faceinpaint import telemetry
from faceinpaint.config import Precision
from faceinpaint.device import settle
from faceinpaint.inference.guide import SOURCES, Guide, guide_from_attention
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.travel import Examined, Painted, pack, unpack
from faceinpaint.inference.way import MODEL_BATCH
from faceinpaint.models.two_stage import window_side


class Painter:
    """Paints the crops of examined pictures.

    Every forward pass has ``batch`` patches, the last one padded, and the window that each of them would get alone:
    so a picture's result does not depend on what came with it, on this run or another.
    """

    def __init__(
        self,
        weights: str | Inpainter,
        precision: Precision = "fp32",
        threads: int = 0,
        gpu: bool = False,
        batch: int = MODEL_BATCH,
    ):
        """``weights``: a folder, or what has been loaded from it, with its own precision and device."""
        if threads:
            settle(threads)
        torch.backends.cudnn.deterministic = True
        if isinstance(weights, str):
            # Ray hides no GPU from those that asked for none.
            weights = Inpainter.load(weights, device=None if gpu else "cpu", precision=precision)
        self.inpainter, self.batch = weights, batch

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        began = time.perf_counter()
        pictures: list[Examined] = unpack(batch["work"])
        painted = [Painted(examined=examined) for examined in pictures]
        with_crops = [i for i, examined in enumerate(pictures) if examined.plan.crops is not None]
        if with_crops:
            with telemetry.step("paint", len(with_crops)):
                together = paint_together(self.inpainter, [pictures[i] for i in with_crops], self.batch)
            patches = sum(len(pictures[i].plan.patches) for i in with_crops)
            for i, each in zip(with_crops, together, strict=True):
                painted[i] = each
                share = len(pictures[i].plan.patches) / patches
                pictures[i].row.seconds += (time.perf_counter() - began) * share
        return {"work": pack(painted)}


def paint_together(inpainter: Inpainter, pictures: list[Examined], batch: int = MODEL_BATCH) -> list[Painted]:
    """Pictures that all have crops, painted in passes of ``batch`` patches over all of them."""
    plans = [examined.plan for examined in pictures]
    crops = np.concatenate([plan.crops for plan in plans if plan.crops is not None])
    holes = np.concatenate([plan.holes for plan in plans if plan.holes is not None])
    finer = np.array([patch.scale < 1 for plan in plans for patch in plan.patches])
    patches, guides, errors = paint_and_tell(inpainter, crops, holes, finer, batch)
    painted, first = [], 0
    for examined in pictures:
        own = slice(first, first + len(examined.plan.patches))
        painted.append(Painted(examined=examined, patches=patches[own], guides=guides[own], errors=errors[own]))
        first = own.stop
    return painted


def paint(inpainter: Inpainter, crops: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """uint8 crops (N, S, S, 3) and holes (N, S, S), 1 in the hole -> uint8 (N, S, S, 3), in padded batches."""
    return paint_and_tell(inpainter, crops, holes, np.zeros(len(crops), bool))[0]


def paint_and_tell(
    inpainter: Inpainter, crops: np.ndarray, holes: np.ndarray, wanted: np.ndarray, batch: int = MODEL_BATCH
) -> tuple[np.ndarray, list[Guide | None], np.ndarray]:
    """:func:`paint`; the guides of the crops that are ``wanted``, bool (N,), for detail finer than the model's; and the
    model's own error on each crop's valid pixels, float32 (N,), NaN where it is not known.

    Patches whose holes fit windows of one size go together.
    """
    painted = np.empty_like(crops)
    guides: list[Guide | None] = [None] * len(crops)
    errors = np.full(len(crops), np.nan, np.float32)
    sides = np.array([window_side(hole[None]) for hole in holes])
    for side in np.unique(sides):
        alike = np.flatnonzero(sides == side)
        for first in range(0, len(alike), batch):
            chosen = alike[first : first + batch]
            padded = np.resize(chosen, batch)  # repeats the chosen ones
            told = inpainter.restore_and_tell(crops[padded], holes[padded], SOURCES if wanted[chosen].any() else 0)
            painted[chosen], errors[chosen] = told.pictures[: len(chosen)], told.errors[: len(chosen)]
            for k, i in enumerate(chosen):
                if told.sources is not None and wanted[i]:
                    cells, sources, weights = (part[k] for part in told.sources)
                    guides[i] = guide_from_attention(cells, sources, weights, crops.shape[1])
    return painted, guides, errors
