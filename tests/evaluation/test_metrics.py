"""Figures against scikit-image called directly, and against the formulas of the conventions."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch.nn import functional as F

from faceinpaint.evaluation.metrics import l1, picture_metrics, psnr, ssim


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    original = data.astronaut()[30:94, 180:244]
    noise = np.random.default_rng(0).integers(-30, 31, original.shape)
    return original, np.clip(original + noise, 0, 255).astype(np.uint8)


def test_default_is_scikit_image(pair):
    a, b = pair
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-6)
    expected = structural_similarity(a, b, channel_axis=2, data_range=255, **settings)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-6)
    assert l1(a, b) == pytest.approx(np.abs(a / 255 - b / 255).mean(), abs=1e-9)


def test_edgeconnect_is_grey_with_a_51_px_window(pair):
    a, b = (rgb2gray((x / 255.0).astype(np.float32)) for x in pair)
    assert psnr(*pair, "edgeconnect") == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1), abs=1e-6)
    expected = structural_similarity(a, b, data_range=1, win_size=51)
    assert ssim(*pair, "edgeconnect") == pytest.approx(expected, abs=1e-6)
    assert l1(*pair, "edgeconnect") == pytest.approx(np.abs(a - b).sum() / (a + b).sum(), abs=1e-7)


def test_lama_pads_with_zeros(pair):
    a, b = (torch.from_numpy(x / 255.0).permute(2, 0, 1)[None] for x in pair)
    taps = torch.exp(-((torch.arange(11.0, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    window = torch.outer(taps, taps).div(taps.sum() ** 2).expand(3, 1, 11, 11)

    def blur(x):
        return F.conv2d(x, window, padding=5, groups=3)

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    score = (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
    assert ssim(*pair, "lama") == pytest.approx(score.mean().item(), abs=1e-9)


def test_hole_figures_see_the_hole_alone(pair):
    a, b = pair
    hole = np.zeros(a.shape[:2], np.uint8)
    hole[10:20, 10:20] = 1
    composite = np.where(hole[..., None] > 0, b, a)
    figures = picture_metrics(a, composite, hole, "default")
    error = (a[10:20, 10:20].astype(float) - b[10:20, 10:20]) ** 2
    assert figures["hole_psnr"] == pytest.approx(10 * np.log10(255**2 / error.mean()))
    assert figures["psnr"] > figures["hole_psnr"] + 10  # a small hole flatters the whole


def test_equal_pictures(pair):
    assert psnr(pair[0], pair[0]) == float("inf")
    assert ssim(pair[0], pair[0]) == pytest.approx(1)
