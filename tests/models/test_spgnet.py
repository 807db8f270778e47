"""SPG-Net: size as published, who sees which labels, and that restoring needs none."""

import itertools

import pytest
import torch

from faceinpaint.models.baselines.critics import ScaledFeatureCritic
from faceinpaint.models.baselines.spgnet import SPGNet, one_hot

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
MASKS = torch.zeros(2, 1, 32, 32)
MASKS[..., 8:20, 6:18] = 1
LABELS = torch.randint(5, (2, 32, 32), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SPGNet(classes=5, width=4, halvings=2)


def test_paper_size():
    """Four halvings from 64 channels and nine residual blocks: parameters counted from the paper's sizes."""
    with torch.device("meta"):
        model = SPGNet()
    w = [64, 128, 256, 512]
    pairs = list(itertools.pairwise(w))
    norms = 2 * (sum(w) + sum(w) + 18 * 512)
    halving = 23 * 64 * 49 + sum(a * b * 9 for a, b in pairs) + sum(w)
    doubling = 512 * 512 * 9 + sum(a * b * 9 for a, b in pairs) + sum(w)
    blocks = 18 * (512 * 512 * 9 + 512)
    for network, outputs in ((model.prediction, 19), (model.guidance, 3)):
        expected = norms + halving + doubling + blocks + 64 * outputs * 49 + outputs
        assert sum(p.numel() for p in network.parameters()) == expected


def test_one_hot():
    hot = one_hot(LABELS, 5)
    assert hot.shape == (2, 5, 32, 32)
    assert torch.equal(hot.argmax(1), LABELS)
    assert torch.equal(hot.sum(1), torch.ones(2, 32, 32))


@torch.no_grad()
def test_labels_count_outside_the_hole_alone(network):
    network.eval()
    hole = MASKS[:, 0] > 0
    first = network.predicted(IMAGES, MASKS, one_hot(LABELS, 5))
    inside = torch.where(hole, 4 - LABELS, LABELS)
    assert torch.equal(first, network.predicted(IMAGES, MASKS, one_hot(inside, 5)))
    outside = torch.where(hole, LABELS, 4 - LABELS)
    assert not torch.equal(first, network.predicted(IMAGES, MASKS, one_hot(outside, 5)))
    assert not torch.equal(first, network.predicted(IMAGES, MASKS, None))


@torch.no_grad()
def test_a_picture_without_labels_is_given_its_own(network):
    network.eval()
    own = network.predicted(IMAGES, MASKS, None).argmax(1)
    expected = network.predicted(IMAGES, MASKS, one_hot(own, 5)).softmax(1)
    assert torch.equal(network.labelled(IMAGES, MASKS), expected)
    assert torch.equal(network.paint(IMAGES, MASKS), network.guided(IMAGES, MASKS, expected))
    assert not torch.equal(network.guided(IMAGES, MASKS, expected.flip(1)), network.guided(IMAGES, MASKS, expected))


def test_every_parameter_learns(network):
    network.train()
    (network.labelled(IMAGES, MASKS).square().mean() + network.paint(IMAGES, MASKS).square().mean()).backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]


def test_critics_look_at_each_scale():
    logits, features = ScaledFeatureCritic(5, 4, 2)(torch.rand(1, 5, 64, 64))
    assert [tuple(each.shape[2:]) for each in logits] == [(6, 6), (2, 2)]
    assert len(features) == 10
