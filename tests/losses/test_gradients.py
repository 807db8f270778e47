"""Every term's gradient against central differences, and every distance's zero and range."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from faceinpaint.losses import adversarial, baselines, reconstruction

MASK = torch.zeros(2, 1, 6, 6, dtype=torch.float64)
MASK[..., 1:4, 2:5] = 1
MIX = torch.tensor([0.3, 0.8], dtype=torch.float64)
WEIGHTS = torch.randn(3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def pictures() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 3, 6, 6, dtype=torch.float64, generator=generator) * 2 - 1 for _ in range(2))
    return a, b


def critic(x: Tensor) -> Tensor:
    """(N,) scores whose gradient depends on the pictures."""
    return (torch.tanh(x) * WEIGHTS).sum((1, 2, 3)) + x.square().sum((1, 2, 3))


DISTANCES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], float]] = {  # and the largest value at all
    "l2": (reconstruction.l2, 4),
    "l1": (reconstruction.l1, 2),
    "hole": (lambda a, b: reconstruction.hole_l1(a, b, MASK), 2),
    "valid": (lambda a, b: reconstruction.valid_l1(a, b, MASK), 2),
    "perceptual": (lambda a, b: baselines.perceptual([a, a[:, :2]], [b, b[:, :2]]), float("inf")),
    "discounted": (lambda a, b: baselines.masked_l1(a, b, baselines.discount(MASK, 0.9)), 2),
    "feature matching": (lambda a, b: adversarial.feature_matching([a, a[:, :2]], [b, b[:, :2]]), float("inf")),
    "style": (lambda a, b: baselines.style([a, a[:, :2]], [b, b[:, :2]]), float("inf")),
}
OTHERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "total variation": lambda a, b: baselines.total_variation(a, MASK),
    "logistic discriminator": lambda a, b: adversarial.logistic_discriminator(critic(b), critic(a)),
    "logistic generator": lambda a, b: adversarial.logistic_generator(critic(a)),
    "hinge discriminator": lambda a, b: adversarial.hinge_discriminator(critic(b), critic(a)),
    "wasserstein critic": lambda a, b: adversarial.wasserstein_critic(critic(b), critic(a)),
    "least-squares critic": lambda a, b: adversarial.least_squares_critic(critic(b), critic(a)),
    "least-squares generator": lambda a, b: adversarial.least_squares_generator(critic(a)),
    "wasserstein generator": lambda a, b: adversarial.wasserstein_generator(critic(a)),
}
# Terms that are themselves made of gradients teach the critic: theirs are taken with respect to its weights.
PENALTIES: dict[str, Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor]] = {
    "r1": lambda judge, a, b: adversarial.r1_penalty(judge, a),
    "gradient penalty": lambda judge, a, b: adversarial.gradient_penalty(judge, a, b, MIX),
    "gradient penalty in the hole": lambda judge, a, b: adversarial.gradient_penalty(judge, a, b, MIX, MASK),
}


def assert_gradient(loss: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """The gradient's slope along itself is what differences say. Penalties are summed in fp32: hence the step."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x), x)
    assert gradient.norm() > 0
    step = 1e-4 * gradient.detach() / gradient.norm()
    slope = (loss(x.detach() + step) - loss(x.detach() - step)) / 2e-4
    assert slope.item() == pytest.approx(gradient.norm().item(), rel=5e-3)


@pytest.mark.parametrize("name", [*DISTANCES, *OTHERS])
def test_gradient(name: str) -> None:
    a, b = pictures()
    loss = DISTANCES[name][0] if name in DISTANCES else OTHERS[name]
    assert_gradient(lambda x: loss(x, b), a)


@pytest.mark.parametrize("name", PENALTIES)
def test_gradient_of_penalties(name: str) -> None:
    a, b = pictures()
    assert_gradient(lambda w: PENALTIES[name](lambda x: (torch.tanh(x) * w).sum((1, 2, 3)), a, b), WEIGHTS)


@pytest.mark.parametrize("name", DISTANCES)
def test_zero_at_equality_and_range(name: str) -> None:
    loss, largest = DISTANCES[name]
    a, b = pictures()
    assert loss(a, a).item() == 0
    assert 0 < loss(a, b).item() <= largest
    black, white = torch.full_like(a, -1), torch.ones_like(a)
    assert 0 <= loss(black, white).item() <= largest


def test_the_losses_that_are_at_least_zero() -> None:
    a, b = pictures()
    for name in (*(each for each in OTHERS if "wasserstein" not in each),):
        assert OTHERS[name](a, b).item() >= 0
    for penalty in PENALTIES.values():
        assert penalty(critic, a, b).item() >= 0
