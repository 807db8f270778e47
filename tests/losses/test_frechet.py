"""Moments and the distance against numpy and pytorch-fid."""

import numpy as np
import pytest
import scipy.linalg
import torch
from pytorch_fid.fid_score import calculate_frechet_distance

from faceinpaint.losses.frechet import FALLBACK_EXTRACTOR, Moments, frechet_distance, load_extractor, rank_note


@pytest.fixture
def root_of_product(monkeypatch):
    """pytorch-fid asks SciPy's ``sqrtm`` for a second value, which SciPy 1.18 no longer has."""
    sqrtm = scipy.linalg.sqrtm
    monkeypatch.setattr(scipy.linalg, "sqrtm", lambda matrix, disp: (sqrtm(matrix), None))


def test_merged_moments_and_distance(root_of_product):
    random = np.random.default_rng(0)
    a, b = random.normal(3, 1, (100, 8)), random.normal(3.2, 1.5, (90, 8))
    merged = Moments.of(a[:33]) + Moments.of(a[33:])
    np.testing.assert_allclose(merged.mean, a.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(merged.covariance, np.cov(a, rowvar=False), rtol=1e-10, atol=1e-12)
    expected = calculate_frechet_distance(
        a.mean(axis=0), np.cov(a, rowvar=False), b.mean(axis=0), np.cov(b, rowvar=False)
    )
    assert frechet_distance(merged, Moments.of(b)) == pytest.approx(expected, abs=1e-9)
    assert frechet_distance(merged, merged) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("n", "width"), [(500, 128), (60, 128), (40, 256)])
def test_distance_equals_pytorch_fid_with_and_without_full_rank(root_of_product, n, width):
    random = np.random.default_rng(n)
    mix = random.normal(size=(width, width)) * np.linspace(0.01, 1, width) / width**0.5
    a, b = random.normal(size=(n, width)) @ mix, random.normal(0.1, 1.3, (n, width)) @ mix
    expected = calculate_frechet_distance(
        a.mean(axis=0), np.cov(a, rowvar=False), b.mean(axis=0), np.cov(b, rowvar=False)
    )
    assert frechet_distance(Moments.of(a), Moments.of(b)) == pytest.approx(expected, rel=1e-6)


def test_distance_of_scaled_covariances_is_known():
    """C_b = 4 C_a: Tr(C_a + 4 C_a - 2 * 2 C_a) = Tr(C_a), to which the means add their squared distance."""
    a = np.random.default_rng(1).normal(size=(50, 6))
    a -= a.mean(axis=0)
    expected = np.trace(np.cov(a, rowvar=False)) + 6 * 0.25
    assert frechet_distance(Moments.of(a), Moments.of(2 * a + 0.5)) == pytest.approx(expected, rel=1e-12)


def test_rank_note():
    assert rank_note(2048, "pytorch-fid-inception-2048") is not None
    assert rank_note(2049, "pytorch-fid-inception-2048") is None


def test_fallback_extractor_is_not_called_fid(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    features = load_extractor(torch.device("cpu"), "celeba")
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    assert features(pictures).shape == (3, int(FALLBACK_EXTRACTOR.rsplit("-", 1)[1]))
    assert "fid" not in FALLBACK_EXTRACTOR
