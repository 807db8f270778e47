"""What the detector's losses are worth on maps that are known."""

import pytest
import torch

from faceinpaint.training.stages.detector import detection_losses

SURE = 20.0  # log-odds


def maps(*kinds):
    """Tiles (N, 1, 8, 8): nothing damaged, a line of one row, or half of the tile."""
    damaged = torch.zeros(len(kinds), 1, 8, 8)
    for tile, rows in zip(damaged, kinds, strict=True):
        tile[:, :rows] = 1
    return damaged


def test_a_missed_scratch_costs_as_much_dice_as_a_missed_half():
    truth, known = maps(1, 4), torch.ones(2, 1, 8, 8)
    nothing = -SURE * torch.ones_like(truth)
    right = (2 * truth - 1) * SURE
    for found in range(2):
        logits = nothing.clone()
        logits[found] = right[found]
        missed = truth[1 - found].sum().item()
        assert detection_losses(logits, truth, known)["dice"].item() == pytest.approx((1 - 1 / (missed + 1)) / 2)


def test_clean_tiles_have_cross_entropy_alone():
    truth, known = maps(0, 0), torch.ones(2, 1, 8, 8)
    losses = detection_losses(torch.zeros_like(truth), truth, known)
    assert losses["dice"].item() == 0
    assert losses["cross_entropy"].item() == pytest.approx(torch.log(torch.tensor(2.0)).item())


def test_unsure_pixels_count_for_nothing():
    truth, known = maps(4), torch.ones(1, 1, 8, 8)
    known[:, :, 4:] = 0
    here, elsewhere = torch.zeros(2, 1, 1, 8, 8)
    elsewhere[:, :, 4:] = SURE
    first, second = (detection_losses(logits, truth, known) for logits in (here, elsewhere))
    assert first == second
