"""Means, bootstrap intervals and paired differences from sums that can be merged in any grouping.

The bootstrap is the Poisson one (Chamandy et al. 2012, "Estimating uncertainty for massive data streams"): replicate b
counts each picture Poisson(1) times instead of drawing N with replacement. The counts depend on the picture's key
alone, so no worker needs to see all pictures, memory does not grow with their number, and every method is resampled
with the same pictures: the difference of two methods' replicates is a paired one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceinpaint.evaluation.figures import Difference, Estimate, Figure, Metric
from faceinpaint.hashing import stable_hash
from faceinpaint.names import choices

METRICS: tuple[Metric, ...] = choices(Metric)
HIGHER_IS_BETTER: dict[Figure, bool] = {
    "psnr": True,
    "ssim": True,
    "l1": False,
    "lpips": False,
    "hole_psnr": True,
    "hole_l1": False,
    "identity": True,
    "frechet": False,
}
BAND_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)  # hole area over picture area; band i is (edge i, edge i + 1]
REPLICATES = 1000
EXACT_DB = 120.0  # what an exactly restored picture, of infinite PSNR, counts in a mean


@dataclass(frozen=True)
class Statistics:
    """Sums over pictures, by band: replicate 0 counts every picture once, the others by the bootstrap."""

    counts: np.ndarray  # float64 (bands, 1 + replicates)
    sums: np.ndarray  # float64 (bands, 1 + replicates, methods, metrics)

    @classmethod
    def of(cls, keys: list[str], hole_ratios: np.ndarray, values: np.ndarray) -> Statistics:
        """From ``hole_ratios`` (N,) in (0, 1] and ``values`` (N, methods, metrics)."""
        values = np.where(np.isposinf(values), EXACT_DB, values)
        counts = np.stack([picture_counts(key) for key in keys]).astype(np.float64)  # (N, 1 + replicates)
        bands = np.digitize(hole_ratios, BAND_EDGES[1:-1], right=True)
        in_band = [bands == band for band in range(len(BAND_EDGES) - 1)]
        return cls(
            counts=np.stack([counts[rows].sum(axis=0) for rows in in_band]),
            sums=np.stack([np.tensordot(counts[rows].T, values[rows], axes=1) for rows in in_band]),
        )

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(counts=self.counts + other.counts, sums=self.sums + other.sums)

    def n(self, band: int | None = None) -> int:
        """Number of pictures."""
        return int(self._of_band(self.counts, band)[0])

    def means(self, band: int | None = None) -> np.ndarray:
        """(1 + replicates, methods, metrics): the mean, then its bootstrap replicates (NaN for an empty one)."""
        counts = self._of_band(self.counts, band)[:, None, None]
        with np.errstate(invalid="ignore"):
            return self._of_band(self.sums, band) / counts

    @staticmethod
    def _of_band(table: np.ndarray, band: int | None) -> np.ndarray:
        return table.sum(axis=0) if band is None else table[band]


def picture_counts(key: str) -> np.ndarray:
    """int64 (1 + REPLICATES,): 1, then how often each bootstrap replicate counts the picture ``key``."""
    generator = np.random.Generator(np.random.Philox(key=stable_hash(key)))
    return np.concatenate([[1], generator.poisson(1.0, REPLICATES)])


def estimate(replicates: np.ndarray) -> Estimate:
    """``{"mean", "ci95": [low, high]}`` of one column of :meth:`Statistics.means`."""
    low, high = np.nanpercentile(replicates[1:], [2.5, 97.5])
    return {"mean": float(replicates[0]), "ci95": [float(low), float(high)]}


def paired(means: np.ndarray, a: int, b: int) -> dict[Metric, Difference]:
    """How much method ``a`` is above method ``b`` on the same pictures, by metric, and whether that is ``better``.

    ``better`` is True or False where the 95% interval leaves out zero, else None.
    """
    differences: dict[Metric, Difference] = {}
    for k, metric in enumerate(METRICS):
        difference = estimate(means[:, a, k] - means[:, b, k])
        low, high = difference["ci95"]
        clear = low > 0 or high < 0
        better = (difference["mean"] > 0) == HIGHER_IS_BETTER[metric] if clear else None
        differences[metric] = {**difference, "better": better}
    return differences


def band_name(band: int) -> str:
    """Such as ``(0.1, 0.2]``."""
    return f"({BAND_EDGES[band]:g}, {BAND_EDGES[band + 1]:g}]"
