"""Adversarial terms: StyleGAN2's for the generator stage, WGAN-GP (section 4.4) and others for the texture stage."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Scorer = Callable[[Tensor], Tensor]  # pictures (N, 3, H, W) -> scores (N,)


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Logistic loss of logits (N,): softplus(-real) + softplus(fake). At least 0."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def logistic_generator(fake: Tensor) -> Tensor:
    """Non-saturating generator loss of logits (N,): softplus(-fake). At least 0."""
    return F.softplus(-fake).mean()


def r1_penalty(discriminator: Scorer, real: Tensor) -> Tensor:
    """R1 (Mescheder 2018): half the squared gradient norm at real pictures, mean over the batch. At least 0."""
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean() / 2


def path_length_penalty(
    pictures: Tensor, w_plus: Tensor, mean_length: Tensor, noise: Tensor, decay: float = 0.01
) -> Tensor:
    """Path-length regularisation (Karras 2020, equation 4): (|J^T y| - a)^2, a being the running mean length.

    pictures (N, 3, H, W) made from w_plus (N, L, D); noise y ~ N(0, 1) of the pictures' shape; ``mean_length`` () is
    updated in place.
    """
    side = (pictures.shape[2] * pictures.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((pictures * noise).sum() / side, w_plus, create_graph=True)
    lengths = gradient.float().square().sum(2).mean(1).sqrt()
    target = mean_length.lerp(lengths.detach().mean(), decay)
    mean_length.copy_(torch.where(target.isfinite(), target, mean_length))  # an fp16 overflow must not stay
    return (lengths - target).square().mean()


def wasserstein_critic(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(I_out)] - E[D(I_gt)] (Gulrajani 2017). Unbounded."""
    return fake.mean() - real.mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    """L_adv = -E[D(I_out)]. Unbounded."""
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of scores of any shape (Yu 2019, section 3.4): E[relu(1 - real)] + E[relu(1 + fake)]. At least 0."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def gradient_penalty(critic: Scorer, real: Tensor, fake: Tensor, mix: Tensor, mask: Tensor | None = None) -> Tensor:
    """GP (Gulrajani 2017): (|grad D| - 1)^2 between real and fake pictures. At least 0.

    ``mix`` (N,) in [0, 1] says how far from fake to real each sample lies. ``mask`` (N, 1, H, W): only the gradient at
    its pixels counts (Yu 2018, equation 3). Pass the unwrapped critic: this differentiates twice.
    """
    between = fake.detach().lerp(real.detach(), mix.to(real.dtype)[:, None, None, None]).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    if mask is not None:
        gradient = gradient * mask
    return (gradient.float().flatten(1).norm(dim=1) - 1).square().mean()


def least_squares_critic(real: Tensor, fake: Tensor) -> Tensor:
    """LSGAN (Mao 2017): half of (real - 1)^2 + fake^2, of scores of any shape. At least 0."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_generator(fake: Tensor) -> Tensor:
    """LSGAN (Mao 2017): (fake - 1)^2. At least 0."""
    return (fake - 1).square().mean()


def feature_matching(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """Mean absolute difference of a critic's features, summed over its layers (Nazeri 2019, equation 4). At least 0.

    ``real`` is what is matched: it gets no gradient.
    """
    pairs = zip(fake, real, strict=True)
    return torch.stack([(a.float() - b.detach().float()).abs().mean() for a, b in pairs]).sum()
