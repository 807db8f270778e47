"""Perceptual losses: equal to the packages they stand for, zero at equality, with gradients that are right."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
import torch
from torch import Tensor

from faceinpaint.losses import perceptual
from faceinpaint.losses.perceptual import Backbone, load_features, load_perceptual


@pytest.fixture(autouse=True)
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache of its own: the tests do not depend on what the machine holds."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def pictures(size: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 3, size, size, generator=generator) * 2 - 1 for _ in range(2))
    return a, b


def directional_error(loss: torch.nn.Module, a: Tensor, b: Tensor) -> float:
    """Relative difference of the gradient along itself from central differences, in float64."""
    loss = loss.double()
    a, b = a.double().requires_grad_(), b.double()
    (gradient,) = torch.autograd.grad(loss(a, b).sum(), a)
    step = 1e-5 * gradient / gradient.norm()
    with torch.no_grad():
        slope = (loss(a + step, b) - loss(a - step, b)).sum() / 2e-5
    return abs(slope.item() / gradient.norm().item() - 1)


@pytest.mark.parametrize("backbone", ["alex", "vgg"])
def test_st_lpips_equals_its_package(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPython", "torchsummary"):  # imported by the package, never used, not declared
        module = types.ModuleType(name)
        module.embed = module.summary = None  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    from stlpips_pytorch import stlpips

    a, b = pictures()
    ours = load_perceptual(backbone)
    theirs = stlpips.LPIPS(net=backbone, variant="shift_tolerant", verbose=False)
    assert ours.backbone == f"st-lpips-{backbone}"
    torch.testing.assert_close(ours(a, b), theirs(a, b).detach().flatten(), rtol=1e-5, atol=1e-7)


def test_lpips_of_the_package_when_torchvisions_weights_are_there(empty_hub: Path) -> None:
    import lpips
    from torchvision.models import alexnet

    torch.manual_seed(0)
    empty_hub.mkdir(parents=True)
    network = alexnet(weights=None)
    torch.save(network.state_dict(), empty_hub / perceptual.TORCHVISION_FILES["alex"])
    reference = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for part in reference.net.children():
        for index, layer in part.named_children():
            layer.load_state_dict(network.features[int(index)].state_dict())
    a, b = pictures(64)
    ours, features = load_perceptual("alex"), load_features("alex")
    assert (ours.backbone, features.backbone) == ("lpips-alex", "alexnet")
    torch.testing.assert_close(ours(a, b), reference(a, b).detach().flatten(), rtol=1e-5, atol=1e-9)
    scaled = [reference.scaling_layer(x) for x in (a, b)]
    x, y = (reference.net(picture) for picture in scaled)
    expected = sum((x[i] - y[i]).square().mean((1, 2, 3)) for i in range(3)) / 3
    torch.testing.assert_close(features(a, b), expected.detach())


@pytest.mark.parametrize("load", [load_perceptual, load_features])
@pytest.mark.parametrize("backbone", ["alex", "vgg"])
def test_zero_at_equality_and_gradient(load, backbone: Backbone) -> None:  # type: ignore[no-untyped-def]
    loss = load(backbone)
    a, b = pictures(32)
    assert torch.equal(loss(a, a), torch.zeros(2))
    assert (loss(a, b) > 0).all()
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    assert not loss.train().training
    assert directional_error(loss, a, b) < 1e-3


def test_gradient_is_finite_where_features_vanish() -> None:
    flat = torch.zeros(1, 3, 32, 32, requires_grad=True)
    load_perceptual("alex")(flat, torch.ones(1, 3, 32, 32)).sum().backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()
