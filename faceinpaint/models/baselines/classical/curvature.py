"""Curvature-driven diffusion (Chan and Shen 2001): colours flow into the hole, most where lines would bend."""

from __future__ import annotations

import numpy as np

from faceinpaint.models.baselines.classical.common import diffused, refined

ROUNDS = 60  # linear systems, one after the other, at the coarsest size
FINE_ROUNDS = 15  # at each finer one
SHARE = 0.2  # of each round's diffusivity in the one that is used: alone it would swing to and fro
SOFT = 0.01  # |grad u| counts as sqrt(|grad u|^2 + SOFT^2), pictures in [0, 1]: flat ground has no direction
LEAST = 1e-4  # least diffusivity; where lines are straight it would be 0


def curvature(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill uint8 (H, W, 3) where mask (H, W) is 1; the result equals the image elsewhere.

    It solves div( |k| / |grad u| grad u ) = 0 with k = div( grad u / |grad u| ) in the hole and u known around it (Chan
    and Shen 2001, section 3, with g(s) = s). Without the factor |k| this is total variation, which cuts a bar rather
    than join its ends over a hole that is wider than the bar. At the corners of such a cut |k| is large, and the cut
    flows away; straight lines, where k is 0, stay. Colours share the diffusivity of the brightness.
    """
    return refined(image, mask, 3, _flowed)


def _flowed(u: np.ndarray, hole: np.ndarray, coarsest: bool) -> np.ndarray:
    """Colours (P, C) of the P hole pixels of u (H, W, C), which has some in its hole already."""
    u = u.copy()
    across, down = diffusivity(u.mean(axis=2))
    for _ in range(ROUNDS if coarsest else FINE_ROUNDS):
        u[hole] = diffused(u, hole, across, down)
        now = diffusivity(u.mean(axis=2))
        across, down = (new**SHARE * old ** (1 - SHARE) for new, old in zip(now, (across, down), strict=True))
    return u[hole]


def diffusivity(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|k| / |grad u| of a brightness (H, W) between neighbours across (H, W - 1) and down (H - 1, W)."""
    step_across, step_down = np.diff(u, axis=1), np.diff(u, axis=0)
    slope_down, slope_across = np.gradient(u)
    length_across = np.sqrt(step_across**2 + _between(slope_down, 1) ** 2 + SOFT**2)
    length_down = np.sqrt(step_down**2 + _between(slope_across, 0) ** 2 + SOFT**2)
    k = np.zeros_like(u)
    k[:, 1:-1] += np.diff(step_across / length_across, axis=1)
    k[1:-1] += np.diff(step_down / length_down, axis=0)
    k = np.abs(k)
    return _between(k, 1) / length_across + LEAST, _between(k, 0) / length_down + LEAST


def _between(values: np.ndarray, axis: int) -> np.ndarray:
    """Means of neighbours along an axis."""
    first, second = np.delete(values, -1, axis), np.delete(values, 0, axis)
    return (first + second) / 2
