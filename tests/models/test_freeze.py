"""What is computed beforehand changes nothing but rounding."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from faceinpaint.load_config import load_preset
from faceinpaint.models import build
from faceinpaint.models.encoder import StyleEncoder
from faceinpaint.models.freeze import fold_batch_norms, freeze
from faceinpaint.models.two_stage import TwoStage


def test_a_folded_encoder_is_the_same_function() -> None:
    torch.manual_seed(0)
    encoder = StyleEncoder(4, 16, (2, 1, 1, 1), (8, 16, 16, 24), head_width=16, input_size=32).eval()
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    folded = copy.deepcopy(encoder)
    fold_batch_norms(folded)
    left = [module for module in folded.modules() if isinstance(module, nn.BatchNorm2d)]
    assert 0 < len(left) < len(norms) / 2 + 1  # those before a convolution stay
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(folded(images), encoder(images), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "method",
    [
        "two-stage",
        "pconv",
        "rfr",
        "context-encoder",
        "deepfill-v1",
        "deepfill-v2",
        "edgeconnect",
        "structureflow",
        "spg-net",
    ],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.04)])
@torch.no_grad()
def test_a_frozen_network_is_the_same_function(method: str, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    config = load_preset("tiny")
    if method == "two-stage":
        network: nn.Module = TwoStage(build.build_structure(config), build.build_texture(config.texture)).eval()
    else:
        network = build.build_network(config, method).eval()
    frozen = copy.deepcopy(network)
    freeze(frozen, dtype, torch.channels_last)
    images, masks = torch.rand(2, 3, 32, 32) * 2 - 1, torch.zeros(2, 1, 32, 32)
    masks[:, :, 8:20, 4:16] = 1
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype != torch.float32):
        torch.testing.assert_close(frozen(images, masks), network(images, masks), atol=tolerance, rtol=tolerance)
