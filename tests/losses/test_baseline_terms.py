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
    assert baselines.total_variation(near, mask).item() == pytest.approx(1 / 56 + 1 / 56)


def test_gram_sums_in_fp32_under_autocast():
    features = torch.full((1, 2, 64, 64), 20.0, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = baselines.gram(features)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full((1, 2, 2), 200.0))


def test_discount_falls_with_the_steps_to_the_nearest_known_pixel():
    """A rectangle, an L, and a picture without any known pixel; steps counted one pixel at a time."""
    mask = torch.zeros(3, 1, 9, 9)
    mask[0, :, 1:8, 2:7] = 1
    mask[1, :, 0:6, 0:3] = mask[1, :, 3:6, 0:8] = 1
    mask[2] = 1
    expected = torch.zeros(3, 1, 9, 9)
    for n, y, x in mask[:, 0].nonzero().tolist():
        steps = [max(abs(y - v), abs(x - u)) for v, u in (mask[n, 0] == 0).nonzero().tolist()]
        expected[n, 0, y, x] = 0.9 ** min(steps) if steps else 0
    torch.testing.assert_close(baselines.discount(mask, 0.9), expected)
    assert expected[0].amin((0, 1, 2)) < expected[0, 0, 4, 4] < 0.9**2 < 0.9 == expected[0].max()


def test_masked_l1_is_each_pictures_own_mean():
    a, b, weights = A[0], B[0], torch.zeros(2, 1, 4, 4)
    weights[0, :, 1:3, 1:3] = torch.tensor([[1.0, 0.5], [0.5, 0.25]])
    weights[1, :, :, 2] = 1
    error = abs(a - b).numpy()
    first = (error[0, :, 1:3, 1:3] * [[1, 0.5], [0.5, 0.25]]).sum() / 12
    assert baselines.masked_l1(a, b, weights).item() == pytest.approx((first + error[1, :, :, 2].mean()) / 2)
    assert baselines.masked_l1(a, b, torch.zeros(2, 1, 4, 4)).item() == 0
