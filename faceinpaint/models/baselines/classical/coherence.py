"""The explicit coherence-enhancing filter (Li, Pi and Zeng 2012): averages along lines, not across them."""

from __future__ import annotations

import cv2
import numpy as np

from faceinpaint.models.baselines.classical.common import refined

ROUNDS = 40  # of filtering, at the coarsest size
FINE_ROUNDS = 15  # at each finer one
REACH = 4  # pixels that a kernel looks away, either way
WIDTH = 1.0  # deviation of a kernel, in pixels, where no line is
STRETCH = 8.0  # longest axis over shortest, where there is one line alone
NEARBY = 1.0  # deviation, in pixels, of the neighbourhood whose lines count
FLAT = 1e-5  # a sum of eigenvalues far below it is flat ground; pictures are in [0, 1]


def coherence(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill uint8 (H, W, 3) where mask (H, W) is 1; the result equals the image elsewhere.

    Hole pixels become u(x) = sum_d K_x(d) u(x + d) / sum_d K_x(d), again and again, with the elliptical kernel
    K_x(d) = exp(-(d.t)^2 / 2 s_t^2 - (d.n)^2 / 2 s_n^2) (after Li 2012, with constants of ours). n and t are the
    eigenvectors of the structure tensor J = G * (grad u grad u^T): across and along the line through x. Its eigenvalues
    a >= b shape the ellipse: with c = ((a - b) / (a + b))^2 the axes are s_t = s (1 + c (S - 1))^(1/2) and
    s_n = s^2 / s_t, so a circle of deviation s becomes an ellipse of the same area, S times as long as wide. A kernel
    sees its neighbourhood alone: deep holes are filled at a small size first.
    """
    return refined(image, mask, 2 * REACH, _filtered)


def _filtered(u: np.ndarray, hole: np.ndarray, coarsest: bool) -> np.ndarray:
    """Colours (P, C) of the P hole pixels of u (H, W, C), which has some in its hole already."""
    own = np.argwhere(hole)
    steps = np.stack(np.meshgrid(*[np.arange(-REACH, REACH + 1)] * 2, indexing="ij"), -1).reshape(-1, 2)
    seen = own[:, None] + steps  # (P, K, 2)
    inside = ((seen >= 0) & (seen < hole.shape)).all(axis=2)
    rows, columns = seen.clip(0, np.array(hole.shape) - 1).transpose(2, 0, 1)
    u = u.copy()
    for _ in range(ROUNDS if coarsest else FINE_ROUNDS):
        weights = kernels(u, hole, steps) * inside
        u[hole] = np.einsum("pk,pkc->pc", weights, u[rows, columns]) / weights.sum(axis=1, keepdims=True)
    return u[hole]


def kernels(u: np.ndarray, where: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """K_x(d) at the P pixels x of u (H, W, C) that are ``where``, for ``steps`` d (K, 2), rows and columns: (P, K)."""
    rows, columns = np.gradient(u, axis=(0, 1))
    products = np.stack([(columns**2).sum(2), (rows * columns).sum(2), (rows**2).sum(2)], -1)
    xx, xy, yy = cv2.GaussianBlur(products, (0, 0), NEARBY)[where].T
    gap, total = np.hypot(xx - yy, 2 * xy), xx + yy  # a - b and a + b
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)[..., None]  # of n; from the columns' axis to the rows'
    stretch = 1 + (gap / (total + FLAT))[..., None] ** 2 * (STRETCH - 1)
    across = steps[:, 1] * np.cos(angle) + steps[:, 0] * np.sin(angle)
    along = steps[:, 0] * np.cos(angle) - steps[:, 1] * np.sin(angle)
    return np.exp(-(across**2 * stretch + along**2 / stretch) / (2 * WIDTH**2))
