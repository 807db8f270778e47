"""The compared methods' terms against their formulas in numpy."""

import numpy as np
import pytest
import torch

from faceinpaint.losses import baselines

torch.manual_seed(0)
A, B = [torch.rand(2, 3, 4, 4), torch.rand(2, 5, 2, 2)], [torch.rand(2, 3, 4, 4), torch.rand(2, 5, 2, 2)]


def test_perceptual():
    expected = sum(np.mean(abs(a.numpy() - b.numpy())) for a, b in zip(A, B, strict=True))
    assert baselines.perceptual(A, B).item() == pytest.approx(expected)


def test_style():
    def gram(x):
        flat = x.numpy().reshape(*x.shape[:2], -1)
        return np.einsum("ncp,ndp->ncd", flat, flat) / (flat.shape[1] * flat.shape[2])

    expected = sum(np.mean(abs(gram(a) - gram(b))) for a, b in zip(A, B, strict=True))
    assert baselines.style(A, B).item() == pytest.approx(expected, rel=1e-5)


def test_both_are_zero_at_equality():
    assert baselines.perceptual(A, A).item() == baselines.style(A, A).item() == 0


def test_total_variation_counts_the_hole_and_one_pixel_around():
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 3:5, 3:5] = 1
    flat = torch.zeros(1, 1, 8, 8)
    assert baselines.total_variation(flat, mask).item() == 0
    far = flat.clone()
    far[..., 0, 0] = 1
    assert baselines.total_variation(far, mask).item() == 0
    near = flat.clone()
    near[..., 2, 2] = 1  # in the grown hole: two of its steps lie inside
    assert baselines.total_variation(near, mask).item() == pytest.approx((1 / 56 + 1 / 56) / 2)


def test_gram_sums_in_fp32_under_autocast():
    features = torch.full((1, 2, 64, 64), 20.0, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = baselines.gram(features)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full((1, 2, 2), 200.0))
