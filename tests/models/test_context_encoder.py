"""The context encoder: sizes as published, any size of picture, and where its parameters learn."""

import torch

from faceinpaint.models.baselines.context_encoder import ContextCritic, ContextEncoder, level_widths


def test_levels_are_those_of_the_public_code():
    assert level_widths(64, 5) == [64, 64, 128, 256, 512]  # 128 px
    assert level_widths(64, 4) == [64, 128, 256, 512]  # 64 px


@torch.no_grad()
def test_paper_sizes():
    """At 128 px the middle is 4000 values wide and 1 x 1: 32.8 M parameters on either side of it, 71.2 M in all."""
    with torch.device("meta"):
        network, critic = ContextEncoder(), ContextCritic()
        middle = network.encoder(torch.zeros(2, 3, 128, 128))
        picture = network.paint(torch.zeros(2, 3, 128, 128), torch.zeros(2, 1, 128, 128))
        scores = critic(torch.zeros(2, 3, 128, 128))
    assert middle.shape == (2, 4000, 1, 1)
    assert picture.shape == (2, 3, 128, 128)
    assert scores.shape == (2,)
    convolutions = [3 * 64, 64 * 64, 64 * 128, 128 * 256, 256 * 512, 512 * 4000]
    norms = 2 * (64 + 128 + 256 + 512 + 4000 + 512 + 256 + 128 + 64 + 64)
    assert sum(p.numel() for p in network.parameters()) == 2 * 16 * sum(convolutions) + norms == 71_190_208


@torch.no_grad()
def test_a_larger_picture_gets_a_larger_middle():
    network = ContextEncoder(4, 8, layers=3).eval()
    images, masks = torch.rand(1, 3, 48, 48), torch.zeros(1, 1, 48, 48)
    assert network.encoder(images).shape == (1, 8, 3, 3)
    assert network.paint(images, masks).shape == (1, 3, 48, 48)
    critic = ContextCritic(4, layers=3).eval()
    torch.testing.assert_close(critic(images), critic.layers(images).mean((1, 2, 3)))


@torch.no_grad()
def test_the_picture_lies_in_range_whatever_the_hole():
    torch.manual_seed(0)
    network = ContextEncoder(8, 16, layers=3)
    images, masks = torch.rand(2, 3, 32, 32) * 2 - 1, torch.ones(2, 1, 32, 32)
    masks[1, :, :, ::3] = 0
    assert network.paint(images, masks).abs().max() <= 1
