"""DeepFill: contextual attention patch by patch, gates and spectral norms by their equations, sizes as published."""

import gzip
import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from faceinpaint.errors import InputError
from faceinpaint.models.baselines.contextual_attention import contextual_attention, propagated
from faceinpaint.models.baselines.deepfill import Conv, DeepFill
from faceinpaint.models.baselines.deepfill_critics import DenseCritic, PatchGAN

MANIFESTS = json.loads(gzip.decompress((Path(__file__).parent / "public_checkpoints.json.gz").read_bytes()))


def patch_at(features, y, x, side, before):
    """The patch of (C, h, w) whose top left corner lies ``before`` above and left of (y, x); 0 beyond the map."""
    padded = F.pad(features, [side] * 4)
    y, x = y - before + side, x - before + side
    return padded[:, y : y + side, x : x + side]


def slow_attention(features, mask, rate):
    """Yu 2018, section 4.1, for one sample with loops: (C, h, w) and mask (1, H, W) -> (C, h, w)."""
    small = features[:, ::rate, ::rate]
    _, height, width = small.shape
    cell = mask.shape[1] // height
    places = [(y, x) for y in range(height) for x in range(width)]
    patch = {place: patch_at(small, *place, 3, 1) for place in places}

    def touches(y, x):
        top, left = max(0, (y - 1) * cell), max(0, (x - 1) * cell)
        return bool(mask[:, top : (y + 2) * cell, left : (x + 2) * cell].any())

    norm = {i: max(float(patch[i].norm()), 1e-4) for i in places}
    score = {(i, j): float((patch[i] * patch[j]).sum()) / norm[i] for i in places for j in places}
    for order in (places, sorted(places, key=lambda place: place[::-1])):  # row by row, then column by column
        at = {place: index for index, place in enumerate(order)}
        near = lambda i, j, step: (  # noqa: E731
            score[order[at[i] + step], order[at[j] + step]]  # noqa: B023
            if 0 <= at[i] + step < len(order) and 0 <= at[j] + step < len(order)  # noqa: B023
            else 0
        )
        score = {(i, j): sum(near(i, j, step) for step in (-1, 0, 1)) for i in places for j in places}
    out = F.pad(torch.zeros_like(features), (2, 2, 2, 2))
    before, side = rate // 2, 2 * rate  # of a patch: pixels above and left of its first value
    for j in places:
        raised = {i: math.exp(10 * (0 if touches(*i) else score[i, j])) for i in places}
        for i in places:
            if not touches(*i):
                weight = raised[i] / sum(raised.values())
                y, x = rate * j[0] - before + 2, rate * j[1] - before + 2
                copied = patch_at(features, rate * i[0], rate * i[1], side, before)
                out[:, y : y + side, x : x + side] += weight / 4 * copied
    return out[:, 2:-2, 2:-2]


def holes(*boxes, size=32):
    masks = torch.zeros(len(boxes), 1, size, size)
    for mask, (top, bottom, left, right) in zip(masks, boxes, strict=True):
        mask[:, top:bottom, left:right] = 1
    return masks


@pytest.mark.parametrize(("rate", "side"), [(2, 8), (1, 5)])
def test_contextual_attention_patch_by_patch(rate, side):
    """Two samples with their own holes on maps of stride 4; the second hole is one pixel wide."""
    torch.manual_seed(0)
    features = torch.randn(2, 3, side, side) * 0.3
    masks = holes((8, 12, 12, 16), (14, 15, 2, 3), size=4 * side)
    expected = torch.stack([slow_attention(f, m, rate) for f, m in zip(features, masks, strict=True)])
    torch.testing.assert_close(contextual_attention(features, masks, rate), expected, rtol=1e-4, atol=1e-5)
    assert all(each.any() for each in expected)


def test_scores_are_propagated_along_rows_and_columns():
    """One match pulls its neighbours' matches along: a 3x3 block of nine positions, each with its own patch."""
    scores = torch.zeros(1, 25, 25)
    scores[0, 6, 12] = 1  # patch (1, 1) matches position (2, 2) of maps of 5 x 5
    expected = torch.zeros(5, 5, 5, 5)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            expected[1 + down, 1 + right, 2 + down, 2 + right] = 1
    assert torch.equal(propagated(scores, 5, 5).view(5, 5, 5, 5), expected)


def test_attention_copies_from_valid_pixels_alone():
    """Without a hole a map of one repeated value stays; what features hold in the hole reaches no output."""
    torch.manual_seed(1)
    masks = holes((8, 20, 8, 20), size=64)
    features = torch.rand(1, 2, 16, 16)
    poisoned = features.clone()
    poisoned[:, :, 2:5, 2:5] = 1e4  # under the hole
    assert contextual_attention(poisoned, masks).abs().max() <= 1
    assert contextual_attention(poisoned, torch.zeros_like(masks)).max() > 100
    thin = holes((9, 10, 0, 64), size=64)  # one pixel high: the nearest cell would not show it
    poisoned = features.clone()
    poisoned[:, :, 2] = 1e4
    assert contextual_attention(poisoned, thin).abs().max() <= 1
    assert not contextual_attention(features, torch.ones_like(masks)).any()


@pytest.mark.parametrize(("gates", "count"), [("full", 5), ("single", 1)])
def test_gates(gates, count):
    """Yu 2019, equation 3: O = phi(features) * sigmoid(gating); light gates share one value per position."""
    torch.manual_seed(2)
    layer = Conv(3, 5, kernel=5, stride=2, gates=gates)
    x = torch.randn(2, 3, 8, 8)
    weight, bias = layer.conv.weight, layer.conv.bias + torch.randn(5 + count)
    layer.conv.bias.data = bias
    gate = 1 / (1 + torch.exp(-F.conv2d(x, weight[5:], bias[5:], 2, 2)))
    feature = F.conv2d(x, weight[:5], bias[:5], 2, 2)
    elu = torch.where(feature > 0, feature, torch.exp(feature) - 1)
    assert gate.shape == (2, count, 4, 4)
    torch.testing.assert_close(layer(x), gate * elu)


def test_paper_sizes():
    """Yu 2019, section 4: 4.1 M parameters for v2, 3.6 M for v1; its critic's scores of 256 px are 4 x 4 x 256."""
    count = lambda network: sum(p.numel() for p in network.parameters())  # noqa: E731
    with torch.device("meta"):
        v1, v2, light = DeepFill(), DeepFill(24, "full"), DeepFill(24, "single")
        window, whole = DenseCritic((64, 128, 256, 512), 128), DenseCritic((64, 128, 256, 256), 256)
    assert (count(v1), count(v2), count(light)) == (3_601_542, 4_052_478, 2_051_289)
    assert (window.layers[-1].in_features, whole.layers[-1].in_features) == (512 * 8 * 8, 256 * 16 * 16)
    assert PatchGAN((8, 16, 32, 32, 32, 32))(torch.zeros(1, 4, 256, 256)).shape == (1, 32, 4, 4)


@torch.no_grad()
@pytest.mark.parametrize("gates", ["none", "full", "single"])
def test_both_pictures_lie_in_range(gates):
    torch.manual_seed(5)
    network = DeepFill(8, gates)
    images, masks = torch.rand(2, 3, 40, 40) * 2 - 1, torch.ones(2, 1, 40, 40)
    masks[1, :, :, ::3] = 0
    for module in (network.coarse, network.refined):
        module[-1].weight.mul_(100)
    for picture in network.paint(images, masks):
        assert picture.shape == (2, 3, 40, 40)
        assert 0.9 < picture.abs().max() <= 1


def test_the_patch_critic_is_normalised_in_every_layer():
    """Miyato 2018: each kernel, as a matrix, has the largest singular value 1, however large its weights grow."""
    torch.manual_seed(3)
    critic = PatchGAN((8, 16, 16))
    layers = [module for module in critic.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(layers) == 3
    for layer in layers:
        layer.parametrizations.weight.original.data.mul_(7)
    for _ in range(1000):
        critic(torch.randn(1, 4, 16, 16))
    critic.eval()
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item()
        assert largest == pytest.approx(1, abs=1e-3)


def test_a_dense_critic_scores_each_picture():
    torch.manual_seed(4)
    critic = DenseCritic((4, 8), 10)  # an odd side on the way: 10, 5, 3
    pictures = torch.randn(3, 3, 10, 10)
    scores = critic(pictures)
    assert scores.shape == (3,)
    torch.testing.assert_close(scores[1:2], critic(pictures[1:2]))


def test_public_files_load(tmp_path):
    """Keys and shapes of the public files; v2's holds a constant of the attention too."""
    states = {
        version: {
            key: torch.full(shape, float(i)) for i, (key, shape) in enumerate(MANIFESTS[version]["state_dict"].items())
        }
        for version in ("deepfill_v1", "deepfill_v2")
    }
    first, second = states.values()
    torch.save(first, tmp_path / "gen.pt")
    torch.save({"G": {"stage2.contextual_attention.fuse_weight": torch.eye(3), **second}, "D": {}}, tmp_path / "v2.pth")
    v1, v2 = DeepFill.from_public(tmp_path / "gen.pt"), DeepFill.from_public(tmp_path / "v2.pth")
    assert (v1.gated, v2.gated) == (False, True)
    assert torch.equal(v1.coarse[18].bias, first["coarse_generator.conv17.conv.bias"])
    assert torch.equal(v1.attending[5].conv.weight, first["fine_generator.pmconv6.conv.weight"])
    assert torch.equal(v2.hallucination[9].conv.weight, second["stage2.conv_conv_bn5.conv.weight"])
    assert torch.equal(v2.attended[1].conv.bias, second["stage2.ca_conv_bn5.conv.bias"])
    torch.save({"G": first}, tmp_path / "v2.pth")
    with pytest.raises(InputError, match="shape"):
        DeepFill.from_public(tmp_path / "v2.pth")
    del first["coarse_generator.conv1.conv.bias"]
    torch.save(first, tmp_path / "gen.pt")
    with pytest.raises(InputError, match="holds 83 tensors, not the 84 of"):
        DeepFill.from_public(tmp_path / "gen.pt")
