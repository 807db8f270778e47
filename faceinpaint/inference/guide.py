"""Guides: which cells of a patch look like what was painted into its hole, to take their detail."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SOURCES = 2  # cells that a hole's cell takes from
SHARPNESS = 40.0  # of pixel attention: the cosine of descriptors is multiplied by it


@dataclass(frozen=True, kw_only=True)
class Guide:
    """grid: cells on a side of the patch; side: of a cell, patch pixels; cells: (J,) those with hole pixels, row by
    row; sources: (J, K) the cells without hole pixels that each takes from; weights: (J, K), rows sum to one."""

    grid: int
    side: float
    cells: np.ndarray
    sources: np.ndarray
    weights: np.ndarray


def guide_from_attention(holes: np.ndarray, cells: np.ndarray, weights: np.ndarray, size: int) -> Guide:
    """A model's attention on a patch of ``size``: which cells are hole, bool (P,), and for every cell the ones that it
    takes most from, with their weights, (P, K) each."""
    grid, own = round(len(holes) ** 0.5), np.flatnonzero(holes)
    if holes.all():
        own = own[:0]
    weights = weights[own] * ~holes[cells[own]]
    weights = weights / np.maximum(weights.sum(1, keepdims=True), 1e-12)
    return Guide(grid=grid, side=size / grid, cells=own, sources=cells[own].astype(np.int32), weights=weights)


def guide_from_pixels(painted: np.ndarray, hole: np.ndarray, grid: int) -> Guide:
    """Likenesses of a painted patch uint8 (S, S, 3) with its hole uint8 (S, S), where there are no scores.

    A cell is described by the colours of its own 2 x 2 quarters and those of its eight neighbours, less their mean; the
    mean counts as well, though less.
    """
    size = len(hole)
    quarters = cv2.resize(painted, (2 * grid, 2 * grid), interpolation=cv2.INTER_AREA).astype(np.float32)
    quarters = quarters.reshape(2 * grid, 2 * grid, 3)
    padded = np.pad(quarters, ((2, 2), (2, 2), (0, 0)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (6, 6), axis=(0, 1))[::2, ::2].reshape(grid**2, -1)
    mean = around.mean(1, keepdims=True)
    described = np.concatenate([around - mean, 4 * (mean - mean.mean())], 1)
    described /= np.maximum(np.linalg.norm(described, axis=1, keepdims=True), 1e-6)
    touched = cv2.resize((hole > 0).astype(np.float32), (grid, grid), interpolation=cv2.INTER_AREA).ravel() > 0
    cells = np.flatnonzero(touched)
    logits = SHARPNESS * described[cells] @ described.T
    logits[:, touched] = -np.inf
    scores = np.exp(logits - logits.max(1, keepdims=True)) if not touched.all() else np.zeros_like(logits)
    return _strongest(scores, cells, touched, grid, size)


def _strongest(scores: np.ndarray, cells: np.ndarray, holes: np.ndarray, grid: int, size: int) -> Guide:
    """scores: (J, P) of the hole's ``cells``."""
    count = min(SOURCES, int((~holes).sum()))
    if count == 0:
        cells = cells[:0]
    rows = scores[: len(cells)]
    sources = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    weights = np.take_along_axis(rows, sources, 1)
    weights = weights / np.maximum(weights.sum(1, keepdims=True), 1e-12)
    return Guide(grid=grid, side=size / grid, cells=cells, sources=sources.astype(np.int32), weights=weights)
