"""What configuration chooses for speed changes rounding alone: memory layout and 16-bit arithmetic."""

from __future__ import annotations

import copy
from typing import get_args

import pytest
import torch
from torch import nn

from faceinpaint.device import lay_out
from faceinpaint.load_config import load_preset
from faceinpaint.models import build
from faceinpaint.models.two_stage import TwoStage
from faceinpaint.stages import Compared

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
MASKS = torch.zeros(2, 1, 32, 32)
MASKS[0, :, 8:20, 4:16] = 1
MASKS[1, :, 2:12, 15:30] = 1


@pytest.fixture(
    scope="module",
    params=["two-stage", *sorted({*get_args(Compared)} - {"structureflow"})],
)
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    config = load_preset("tiny")
    if request.param == "two-stage":
        return TwoStage(build.build_structure(config), build.build_texture(config.texture)).eval()
    return build.build_network(config, request.param).eval()


@torch.no_grad()
def test_channels_last_gives_the_same_pictures(network: nn.Module) -> None:
    other = copy.deepcopy(network)
    lay_out(other, torch.channels_last)
    kernels = [p for p in other.parameters() if p.dim() == 4 and min(p.shape[1:]) > 1]
    assert kernels
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
    result = other(IMAGES.contiguous(memory_format=torch.channels_last), MASKS)
    torch.testing.assert_close(result, network(IMAGES, MASKS), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_bf16_stays_near_fp32(network: nn.Module) -> None:
    plain = network(IMAGES, MASKS)
    with torch.autocast("cpu", torch.bfloat16):
        fast = network(IMAGES, MASKS)
    hole = (MASKS > 0).expand_as(IMAGES)
    assert fast.dtype == torch.float32
    assert not torch.equal(fast, plain), "nothing was computed in bf16"
    assert (fast - plain)[hole].norm() < 0.03 * plain[hole].norm()


def test_gradients_do_not_depend_on_the_layout(network: nn.Module) -> None:
    gradients = []
    for layout in (torch.contiguous_format, torch.channels_last):
        other = copy.deepcopy(network)
        lay_out(other, layout)
        other(IMAGES.contiguous(memory_format=layout), MASKS).square().mean().backward()
        gradients.append({name: p.grad for name, p in other.named_parameters() if p.grad is not None})
    assert gradients[0]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-6)
