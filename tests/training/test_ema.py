"""Moving averages and adaptive augmentation follow their formulas."""

import pytest
import torch
from torch import nn

from faceinpaint.training import ema
from faceinpaint.training.stages.augment import AdaptiveAugment


def test_an_average_forgets_half_in_its_half_life():
    module = nn.BatchNorm1d(3)
    average = ema.averaged_copy(module)
    with torch.no_grad():
        module.weight.fill_(3.0)
    module.num_batches_tracked += 7
    ema.update(average, module, batch=8, half_life=8, pictures_seen=10**6)
    torch.testing.assert_close(average.weight, torch.full((3,), 2.0))
    assert average.num_batches_tracked == 7
    assert not average.training
    assert not average.weight.requires_grad


def test_early_averages_forget_the_start():
    module = nn.Linear(2, 2)
    average = ema.averaged_copy(module)
    with torch.no_grad():
        module.weight.add_(1)
    ema.update(average, module, batch=8, half_life=10**6, pictures_seen=8)
    torch.testing.assert_close(average.weight, module.weight, atol=1e-6, rtol=0)


def test_augmentation_grows_while_the_discriminator_is_sure():
    augment = AdaptiveAugment(target=0.6, speed_pictures=100)
    pictures = torch.rand(4, 3, 8, 8)
    assert torch.equal(augment(pictures), pictures)
    augment.observe(torch.ones(4))
    augment.adapt(batch=10)
    assert augment.p.item() == pytest.approx(0.1)
    augment.observe(-torch.ones(4))
    augment.adapt(batch=5)
    assert augment.p.item() == pytest.approx(0.05)


def test_augmentation_is_differentiable_and_keeps_shapes():
    torch.manual_seed(0)
    augment = AdaptiveAugment(target=0.6, speed_pictures=100)
    augment.p.fill_(0.8)
    pictures = torch.rand(4, 3, 8, 8, requires_grad=True)
    out = augment(pictures)
    out.sum().backward()
    assert out.shape == pictures.shape
    assert pictures.grad.any()
    assert not torch.equal(out, pictures)
