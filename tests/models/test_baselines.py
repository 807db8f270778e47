"""PConv and RFR: partial convolution against its equation, sizes as published, and no memory between calls."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from faceinpaint.models.baselines.partial_conv import PartialConv
from faceinpaint.models.baselines.pconv import PConvUNet
from faceinpaint.models.baselines.rfr import KnowledgeConsistentAttention, RFRNet


def slow_partial_conv(layer, x, known):
    """Liu 2018, equations 1 and 2, one output pixel at a time."""
    weight, stride = layer.conv.weight, layer.conv.stride[0]
    kernel = weight.shape[2]
    pad = kernel // 2
    x, known = (torch.nn.functional.pad(t, [pad] * 4) for t in (x * known, known))
    side = (x.shape[2] - kernel) // stride + 1
    out, updated = torch.zeros(1, weight.shape[0], side, side), torch.zeros(1, 1, side, side)
    for i in range(side):
        for j in range(side):
            rows, columns = slice(i * stride, i * stride + kernel), slice(j * stride, j * stride + kernel)
            count = known[0, 0, rows, columns].sum()
            if count > 0:
                value = (weight * x[0, :, rows, columns]).sum((1, 2, 3)) * kernel**2 / count
                out[0, :, i, j] = value + (layer.bias if layer.bias is not None else 0)
                updated[0, 0, i, j] = 1
    return out, updated


@pytest.mark.parametrize(("kernel", "stride", "bias"), [(3, 1, True), (5, 2, False), (7, 2, True)])
def test_partial_convolution(kernel, stride, bias):
    torch.manual_seed(0)
    layer = PartialConv(2, 4, kernel, stride, bias)
    if bias:
        torch.nn.init.normal_(layer.bias)
    x, known = torch.randn(1, 2, 12, 12), torch.ones(1, 1, 12, 12)
    known[..., 2:11, 1:10] = 0
    with torch.no_grad():
        for got, expected in zip(layer(x, known), slow_partial_conv(layer, x, known), strict=True):
            torch.testing.assert_close(got, expected)


def test_the_known_area_grows_by_the_window():
    known = torch.ones(1, 1, 11, 11)
    known[..., 2:9, 2:9] = 0
    _, grown = PartialConv(1, 1, 3)(torch.zeros(1, 1, 11, 11), known)
    expected = torch.ones(1, 1, 11, 11)
    expected[..., 3:8, 3:8] = 0
    assert torch.equal(grown, expected)


@torch.no_grad()
def test_paper_sizes():
    """RFR: 31.2 M parameters, 344 GFLOP less those of convolutions on masks. PConv of 7 layers: 25.8 M parameters."""
    with torch.device("meta"):
        rfr, pconv = RFRNet().eval(), PConvUNet(layers=7)
        images, masks = torch.zeros(1, 3, 256, 256), torch.zeros(1, 1, 256, 256)
        with FlopCounterMode(display=False) as flops:
            rfr(images, masks)
    assert sum(p.numel() for p in rfr.parameters()) == 31_224_065
    assert 240e9 < flops.get_total_flops() < 270e9
    assert round(sum(p.numel() for p in pconv.parameters()) / 1e6, 1) == 25.8


@pytest.fixture(params=["pconv", "rfr"])
def network(request):
    torch.manual_seed(0)
    return PConvUNet(8, 4) if request.param == "pconv" else RFRNet(8, 3)


IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
MASKS = torch.zeros(2, 1, 32, 32)
MASKS[..., 8:20, 6:18] = 1


@torch.no_grad()
def test_outside_the_hole_the_output_is_the_input_and_inside_nothing_is_seen(network):
    network.eval()
    result = network(IMAGES, MASKS)
    outside = (MASKS == 0).expand_as(IMAGES)
    assert torch.equal(result[outside], IMAGES[outside])
    other = torch.where(outside, IMAGES, torch.ones_like(IMAGES))
    assert torch.equal(network(other, MASKS)[~outside], result[~outside])


@torch.no_grad()
def test_a_call_leaves_nothing_behind(network):
    network.eval()
    first = network(IMAGES, MASKS)
    network(IMAGES.flip(0), MASKS.flip(3))
    assert torch.equal(network(IMAGES, MASKS), first)


def test_every_parameter_learns(network):
    network.train().paint(IMAGES, MASKS).square().mean().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]


def test_frozen_statistics_stay(network):
    network.train()
    network.freeze_statistics()
    before = {name: value.clone() for name, value in network.named_buffers() if "encoder" in name}
    network.paint(IMAGES, MASKS)
    assert before
    assert all(torch.equal(value, dict(network.named_buffers())[name]) for name, value in before.items())


@torch.no_grad()
def test_attention_blends_with_the_scores_before_where_they_were_known():
    """Li 2020, equation 5, for one query."""
    torch.manual_seed(0)
    attention = KnowledgeConsistentAttention(4)
    attention.ratio.fill_(0.5)
    x, known = torch.randn(1, 4, 3, 3), torch.ones(1, 1, 3, 3)
    known[..., 1, 1] = 0
    _, (fresh, _) = attention(x, torch.ones(1, 1, 3, 3), None)
    before = torch.full_like(fresh, 1 / 9)
    _, (blended, weight) = attention(x, torch.ones(1, 1, 3, 3), (before, known.flatten(2).transpose(1, 2)))
    torch.testing.assert_close(blended[0, 0], (before[0, 0] + 0.5 * fresh[0, 0]) / 1.5)
    torch.testing.assert_close(blended[0, 4], fresh[0, 4])  # unknown before: only what is seen now counts
    assert weight.shape == (1, 9, 1)
    torch.testing.assert_close(blended.sum(2), torch.ones(1, 9))
