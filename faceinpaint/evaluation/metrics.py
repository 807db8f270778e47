"""Figures of one restored picture, under the conventions of three papers.

All take uint8 RGB pictures (H, W, 3) of equal size, the restored one composited (outside the hole it is the original).

=========== =========== ======================================= ===================================
convention  PSNR        SSIM                                    L1
=========== =========== ======================================= ===================================
default     RGB         11 px Gaussian window                   mean |a - b|, values in [0, 1]
edgeconnect grey        grey, 51 px flat window                 grey, sum |a - b| / sum (a + b)
lama        RGB         11 px Gaussian window, zeros at borders mean |a - b|, values in [0, 1]
=========== =========== ======================================= ===================================

``default`` is Wang 2004's SSIM as scikit-image documents it, which MAT and mmagic report; ``edgeconnect`` is
``scripts/metrics.py`` of knazeri/edge-connect; ``lama`` is ``saicinpainting/evaluation/losses/ssim.py`` of
advimman/lama, which has no PSNR and no L1: those stay the default's. Hole figures are over the hole's RGB values
under every convention.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from faceinpaint.evaluation.figures import PictureMetric, PictureMetrics
from faceinpaint.names import Convention, choices

LEAST_SIDE: dict[Convention, int] = {
    "default": 11,
    "edgeconnect": 51,
    "lama": 1,
}  # pixels; a window must fit in the picture
PICTURE_METRICS: tuple[PictureMetric, ...] = choices(PictureMetric)


def picture_metrics(
    original: np.ndarray, restored: np.ndarray, hole: np.ndarray, convention: Convention
) -> PictureMetrics:
    """The figures that need no network; ``hole`` is uint8 (H, W), 1 in the hole, and not empty."""
    return {
        "psnr": psnr(original, restored, convention),
        "ssim": ssim(original, restored, convention),
        "l1": l1(original, restored, convention),
        "hole_psnr": psnr(original[hole > 0], restored[hole > 0]),
        "hole_l1": l1(original[hole > 0], restored[hole > 0]),
    }


def psnr(original: np.ndarray, restored: np.ndarray, convention: Convention = "default") -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures."""
    if np.array_equal(original, restored):
        return float("inf")
    if convention == "edgeconnect":
        return float(peak_signal_noise_ratio(_grey(original), _grey(restored), data_range=1))
    return float(peak_signal_noise_ratio(original, restored, data_range=255))


def ssim(original: np.ndarray, restored: np.ndarray, convention: Convention = "default") -> float:
    """Mean structural similarity, in [-1, 1]; 1 for equal pictures."""
    if convention == "edgeconnect":
        return float(structural_similarity(_grey(original), _grey(restored), data_range=1, win_size=51))
    if convention == "lama":
        return _zero_padded_ssim(original / 255.0, restored / 255.0)
    return float(
        structural_similarity(
            original,
            restored,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
    )


def l1(original: np.ndarray, restored: np.ndarray, convention: Convention = "default") -> float:
    """Mean absolute error: of values in [0, 1], or, for ``edgeconnect``, relative to the pictures' brightness."""
    if convention == "edgeconnect":
        a, b = _grey(original), _grey(restored)
        return float(np.abs(a - b).sum() / max((a + b).sum(), np.finfo(np.float32).tiny))
    return float(np.abs(original.astype(np.float64) - restored).mean() / 255)


def _grey(picture: np.ndarray) -> np.ndarray:
    """float32 (H, W) in [0, 1], by scikit-image's luma weights, as EdgeConnect's script computes it."""
    return rgb2gray((picture / 255.0).astype(np.float32))


def _zero_padded_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of (H, W, 3) in [0, 1] over every pixel, the window reaching into zeros beyond the border."""

    def blur(x: np.ndarray) -> np.ndarray:  # radius round(3.5 * 1.5) = 5: eleven taps
        return gaussian_filter(x, sigma=(1.5, 1.5, 0), truncate=3.5, mode="constant")

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, cov = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(score.mean())
