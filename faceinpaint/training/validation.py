"""How good a run's averaged weights are, on the first held-out pictures: the same pictures and holes every time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from faceinpaint.data.stream import StreamPlan
from faceinpaint.losses.frechet import Moments, available_extractor, frechet_distance, load_extractor
from faceinpaint.names import Alignment
from faceinpaint.tensors import mask_to_float, to_float, to_uint8
from faceinpaint.training.distributed import mean_over_workers, workers
from faceinpaint.training.monitor import sample_sheet
from faceinpaint.training.run import Run
from faceinpaint.training.trainee import Batch, Score

RESTORED_PICTURES = 128
VALIDATED_TILES = 256
GENERATED_PICTURES = 512  # a Frechet distance needs more of them


@dataclass(frozen=True, kw_only=True)
class Validation:
    """``scores`` over all workers; ``best_by``, of two checkpoints the better has more of it; this worker's ``sheet``
    of samples (N, 3, S, S) in [-1, 1], None where it had no batch."""

    scores: dict[Score, float]
    best_by: float
    sheet: Tensor | None


@torch.no_grad()
def validate_restoration(run: Run, plan: StreamPlan, rank: int) -> Validation:
    """Mean ``hole_psnr`` and ``psnr`` in dB of restored pictures."""
    sums = torch.zeros(3, dtype=torch.float64, device=run.device)  # pictures, hole PSNR, whole PSNR
    sheet = None
    for batch, restored in _restored(run, plan, RESTORED_PICTURES, rank):
        error = ((restored - batch.images) / 2).square().double()
        hole = (error * batch.masks).sum((1, 2, 3)) / (3 * batch.masks.sum((1, 2, 3)))
        psnr = [-10 * torch.log10(e.clamp(min=1e-10)).sum() for e in (hole, error.mean((1, 2, 3)))]
        sums += torch.stack([sums.new_tensor(len(batch)), *psnr])
        if sheet is None:
            sheet = sample_sheet(batch.damaged[:16], restored[:16], batch.images[:16])
    count, hole_psnr, psnr_sum = mean_over_workers(sums).tolist()
    scores: dict[Score, float] = {"hole_psnr": hole_psnr / count, "psnr": psnr_sum / count}
    return Validation(scores=scores, best_by=scores["hole_psnr"], sheet=sheet)


@torch.no_grad()
def validate_detection(run: Run, plan: StreamPlan, rank: int) -> Validation:
    """``recall``, ``precision`` and ``f1`` of pixels at probability 0.5; the sheet shows tile, found, truth."""
    sums = torch.zeros(3, dtype=torch.float64, device=run.device)  # pixels found rightly, found, damaged
    sheet = None
    for step in range(min(VALIDATED_TILES, plan.data.rows) // plan.batch):
        if step % workers() == rank:
            batch = to_batch(plan.load(step, step + 1)).to(run.device, run.memory_format)
            with run.autocast():
                found = run.averages["detector"](batch.images).float() > 0
            known, truth = batch.masks < 2, batch.masks == 1
            sums += torch.stack([(found & truth).sum(), (found & known).sum(), truth.sum()]).double()
            if sheet is None:
                marked = [batch.images.masked_fill(where.expand_as(batch.images), 1.0) for where in (found, truth)]
                sheet = sample_sheet(batch.images[:16], marked[0][:16], marked[1][:16])
    right, found_pixels, damaged = mean_over_workers(sums).tolist()
    scores: dict[Score, float] = {
        "recall": right / max(damaged, 1e-9),
        "precision": right / max(found_pixels, 1e-9),
        "f1": 2 * right / max(found_pixels + damaged, 1e-9),
    }
    return Validation(scores=scores, best_by=scores["f1"], sheet=sheet)


@torch.no_grad()
def validate_generation(run: Run, plan: StreamPlan, rank: int, alignment: Alignment) -> Validation:
    """``frechet`` distance of generated from held-out pictures.

    Its extractor is the one evaluation would use here. Compare within a run: it depends on the number of pictures.
    """
    features = load_extractor(run.device, alignment)
    width = int(available_extractor().rsplit("-", 1)[1])
    made_moments = true_moments = Moments.of(np.zeros((0, width)))
    sheet = None
    for batch, made in _restored(run, plan, GENERATED_PICTURES, rank):
        made_moments += Moments.of(features(to_uint8(made)))
        true_moments += Moments.of(features(to_uint8(batch.images)))
        if sheet is None:
            sheet = made[:16]
    distance = frechet_distance(_over_workers(made_moments, run.device), _over_workers(true_moments, run.device))
    return Validation(scores={"frechet": distance}, best_by=-distance, sheet=sheet)


def _over_workers(own: Moments, device: torch.device) -> Moments:
    """The moments of all workers' features."""
    flat = np.concatenate([[own.n], own.total, own.products.ravel()])
    n, total, products = np.split(
        (mean_over_workers(torch.from_numpy(flat).to(device)) * workers()).cpu().numpy(), [1, 1 + len(own.total)]
    )
    return Moments(round(n.item()), total, products.reshape(own.products.shape))


def _restored(run: Run, plan: StreamPlan, most: int, rank: int) -> Iterator[tuple[Batch, Tensor]]:
    """This worker's share of the pictures, and what the averaged weights make of them, in [-1, 1]."""
    for step in range(min(most, plan.data.rows) // plan.batch):
        if step % workers() == rank:
            batch = to_batch(plan.load(step, step + 1)).to(run.device, run.memory_format)
            with run.autocast():
                restored = run.trainee.restore(batch, run.averages)
            yield batch, restored.float().clamp(-1, 1)


def to_batch(rows: dict[str, np.ndarray]) -> Batch:
    """A stream's arrays as tensors."""
    draws = torch.from_numpy(np.asarray(rows["draw"], np.float32))
    labels = torch.from_numpy(np.asarray(rows["label"], np.int64)) if "label" in rows else None
    return Batch([str(key) for key in rows["key"]], to_float(rows["image"]), mask_to_float(rows["mask"]), draws, labels)
