"""Moments and the distance against numpy and pytorch-fid."""

import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance

from faceinpaint.losses.frechet import FALLBACK_EXTRACTOR, Moments, frechet_distance, load_extractor, rank_note


def test_merged_moments_and_distance():
    random = np.random.default_rng(0)
    a, b = random.normal(3, 1, (100, 8)), random.normal(3.2, 1.5, (90, 8))
    merged = Moments.of(a[:33]) + Moments.of(a[33:])
    np.testing.assert_allclose(merged.mean, a.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(merged.covariance, np.cov(a, rowvar=False), rtol=1e-10, atol=1e-12)
    expected = calculate_frechet_distance(
        a.mean(axis=0), np.cov(a, rowvar=False), b.mean(axis=0), np.cov(b, rowvar=False)
    )
    assert frechet_distance(merged, Moments.of(b)) == pytest.approx(expected, abs=1e-9)
    assert frechet_distance(merged, merged) == pytest.approx(0, abs=1e-6)


def test_rank_note():
    assert rank_note(2048, "pytorch-fid-inception-2048") is not None
    assert rank_note(2049, "pytorch-fid-inception-2048") is None


def test_fallback_extractor_is_not_called_fid(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    features = load_extractor(torch.device("cpu"), "celeba")
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    assert features(pictures).shape == (3, int(FALLBACK_EXTRACTOR.rsplit("-", 1)[1]))
    assert "fid" not in FALLBACK_EXTRACTOR
