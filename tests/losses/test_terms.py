"""Pixel and adversarial terms against their formulas in numpy, or by finite differences."""

import math

import numpy as np
import pytest
import torch

from faceinpaint.losses import adversarial, reconstruction

torch.manual_seed(0)
A, B = torch.rand(2, 3, 4, 4) * 2 - 1, torch.rand(2, 3, 4, 4) * 2 - 1
MASK = (torch.rand(2, 1, 4, 4) < 0.5).float()


def test_pixel_terms():
    a, b, m = A.numpy(), B.numpy(), np.broadcast_to(MASK.numpy(), A.shape)
    assert reconstruction.l2(A, B).item() == pytest.approx(np.mean((a - b) ** 2))
    assert reconstruction.l1(A, B).item() == pytest.approx(np.mean(abs(a - b)))
    assert reconstruction.hole_l1(A, B, MASK).item() == pytest.approx(abs(a - b)[m == 1].sum() / a.size)
    assert reconstruction.valid_l1(A, B, MASK).item() == pytest.approx(abs(a - b)[m == 0].sum() / a.size)
    whole = reconstruction.hole_l1(A, B, MASK) + reconstruction.valid_l1(A, B, MASK)
    torch.testing.assert_close(whole, reconstruction.l1(A, B))


@pytest.mark.parametrize("term", [reconstruction.l2, reconstruction.l1])
def test_pixel_terms_are_zero_at_equality(term):
    assert term(A, A).item() == 0


def test_logistic_terms():
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    soft = lambda x: math.log(1 + math.exp(x))  # noqa: E731
    expected = (soft(-1) + soft(2)) / 2 + (soft(0.5) + soft(3)) / 2
    assert adversarial.logistic_discriminator(real, fake).item() == pytest.approx(expected, rel=1e-6)
    assert adversarial.logistic_generator(fake).item() == pytest.approx((soft(-0.5) + soft(-3)) / 2, rel=1e-6)


def test_wasserstein_terms():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.5, 0.0])
    assert adversarial.wasserstein_critic(real, fake).item() == pytest.approx(0.25 - 2)
    assert adversarial.wasserstein_generator(fake).item() == pytest.approx(-0.25)


def test_hinge_stops_where_the_critic_is_sure():
    real, fake = torch.tensor([[1.5, 0.25]]), torch.tensor([[-2.0, 0.5]])
    assert adversarial.hinge_discriminator(real, fake).item() == pytest.approx((0 + 0.75) / 2 + (0 + 1.5) / 2)


def judge(pictures):
    """A critic whose gradient is known: sum(x^2) / 2 has gradient x."""
    return pictures.square().sum((1, 2, 3)) / 2


def test_gradient_penalty_lies_between_fake_and_real():
    mix = torch.tensor([0.25, 1.0])
    between = mix[:, None, None, None] * A + (1 - mix[:, None, None, None]) * B
    expected = (between.flatten(1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(adversarial.gradient_penalty(judge, A, B, mix), expected)


def test_gradient_penalty_of_a_hole_counts_its_pixels_alone():
    mix = torch.tensor([0.25, 1.0])
    between = (mix[:, None, None, None] * A + (1 - mix[:, None, None, None]) * B) * MASK
    expected = (between.flatten(1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(adversarial.gradient_penalty(judge, A, B, mix, MASK), expected)


def test_r1_is_half_the_squared_gradient_at_real_pictures():
    torch.testing.assert_close(adversarial.r1_penalty(judge, A), A.square().sum((1, 2, 3)).mean() / 2)


def test_path_length_follows_its_running_mean():
    w = torch.rand(2, 3, 5, requires_grad=True)
    basis = torch.rand(5, 3 * 4 * 4)
    pictures = (w.sum(1) @ basis).view(2, 3, 4, 4)
    noise, mean = torch.randn(2, 3, 4, 4), torch.tensor(0.5)
    gradient = noise.flatten(1) @ basis.T / 4  # the same for each of the three layers
    lengths = gradient.square().sum(1).sqrt()
    target = 0.5 + 0.01 * (lengths.mean() - 0.5)
    penalty = adversarial.path_length_penalty(pictures, w, mean, noise)
    torch.testing.assert_close(penalty, (lengths - target).square().mean())
    torch.testing.assert_close(mean, target)
