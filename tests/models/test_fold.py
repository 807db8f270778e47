"""Folding batch norms changes nothing but rounding."""

from __future__ import annotations

import copy

import torch
from torch import nn

from faceinpaint.models.encoder import StyleEncoder
from faceinpaint.models.fold import fold_batch_norms


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
