"""The detector on pictures of any size, and what is proposed from its map."""

import numpy as np
import pytest
import torch

from faceinpaint.inference import detector as detector_module
from faceinpaint.inference.detector import Detector, tiles
from faceinpaint.inference.proposal import EVIDENCE, EXTENT, SEED, Rules, propose, scored_parts
from faceinpaint.models.detector import DamageDetector


@pytest.fixture(scope="module", params=[0, 8], ids=["no context", "context"])
def detector(request):
    torch.manual_seed(0)
    model = DamageDetector((8, 8, 8, 8), request.param)
    if model.context is not None:
        torch.nn.init.normal_(model.context[-2].weight, 0, 2)
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.5, 1.5)
    torch.nn.init.normal_(model.head.weight, 0, 4)
    return Detector(model, "", torch.device("cpu"), "fp32")


@pytest.mark.parametrize("shape", [(1, 1), (2047, 30), (2048, 2048), (5000, 2100)])
def test_kept_parts_of_tiles_are_the_picture_once(shape):
    count = np.zeros(shape, int)
    for seen, kept in tiles(*shape, 80):
        count[kept] += 1
        assert all(s.start <= k.start and k.stop <= s.stop for s, k in zip(seen, kept, strict=True))
        assert all(s.start % 16 == 0 for s in seen)
    assert (count == 1).all()


def test_a_picture_gets_the_same_answer_however_it_is_cut(detector, monkeypatch):
    picture = np.random.default_rng(0).integers(0, 256, (700, 330, 3), np.uint8)
    whole = detector.probability(picture)
    monkeypatch.setattr(detector_module, "TILE", 96)
    cut = detector.probability(picture)
    assert whole.shape == (700, 330)
    assert whole.std() > 0.01
    assert np.abs(whole - cut).max() < 1e-5


def test_what_is_further_than_the_reach_changes_nothing(detector):
    """And what is a stride nearer does, so pictures are not seen twice for nothing."""
    model, size = detector.model, 1024
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    place = size // 2  # begins a cell of the coarsest map, so it sees furthest up and left
    with torch.enable_grad():
        model(images)[0, 0, place, place].backward()
    rows = images.grad.abs().amax((0, 1, 3)).nonzero()
    seen = max(place - rows.min().item(), rows.max().item() - place)
    assert model.reach - model.stride < seen <= model.reach


def test_a_mirrored_picture_gets_the_mirrored_answer(detector):
    picture = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)  # whole strides: no padding on one side
    found = detector.probability(picture)
    mirrored = detector.probability(np.ascontiguousarray(picture[:, ::-1]))[:, ::-1]
    assert found.std() > 0.01
    assert np.abs(found - mirrored).max() < 1e-5


def bump(height=60, width=80, level=0.98):
    probability = np.full((height, width), 0.02, np.float32)
    probability[10:20, 15:40] = level
    return probability


def level(log_odds):
    """The probability of some log-odds."""
    return 1 / (1 + np.exp(-log_odds))


def test_a_sure_part_is_proposed_a_little_wider():
    proposal = propose(bump(level=level(SEED + 2)))
    assert proposal.verdict == "damaged"
    assert proposal.parts == 1
    assert proposal.confidence == pytest.approx(level(2), abs=1e-2)
    assert proposal.hole[9:21, 15:40].all()
    assert proposal.hole.sum() < 13 * 28


def test_a_doubtful_part_is_left_alone_and_named():
    proposal = propose(bump(level=level(SEED - 2)))
    assert proposal.verdict == "unsure"
    assert not proposal.hole.any()
    assert f"{SEED - 2:.1f}" in proposal.reason
    assert proposal.confidence == pytest.approx(level(2), abs=1e-2)


def test_a_clean_picture_is_clean_however_small_the_doubt():
    proposal = propose(np.full((30, 30), 0.01, np.float32))
    assert proposal.verdict == "clean"
    assert proposal.confidence == pytest.approx(level(SEED), abs=1e-6)
    specks = np.zeros((30, 30), np.float32)
    specks[4, 4] = 1
    assert propose(specks).verdict == "clean"
    assert propose(bump(level=0.9)).verdict == "clean"


def test_a_ragged_rim_does_not_speak_against_a_part():
    probability = bump(level=EXTENT + 0.01)
    probability[13:18, 20:35] = level(SEED + 1)
    labels, evidence = scored_parts(probability, EXTENT)
    assert evidence == pytest.approx([SEED + 1], abs=1e-2)
    assert (labels == 1).sum() == 10 * 25
    assert propose(probability).hole[10:20, 15:40].all()


def test_evidence_is_the_mean_log_odds_of_the_surest_pixels():
    probability = np.zeros((20, 60), np.float32)
    probability[2, 2:10] = level(6)  # 8 pixels: the others of EVIDENCE count as undecided
    probability[10:18, 20:30] = level(3)
    probability[11, 20:30] = level(5)
    _, evidence = scored_parts(probability, 0.5)
    assert EVIDENCE == 64
    assert evidence == pytest.approx([8 * 6 / 64, (10 * 5 + 54 * 3) / 64], abs=1e-3)


def test_a_picture_damaged_all_over_is_not_believed():
    probability = np.full((40, 40), 1, np.float32)
    proposal = propose(probability)
    assert proposal.verdict == "unsure"
    assert not proposal.hole.any()
    assert "too much" in proposal.reason


def test_sensitivity_moves_both_thresholds_and_half_is_the_default():
    assert Rules.of_sensitivity(0.5).seed == pytest.approx(Rules().seed)
    assert Rules.of_sensitivity(0.5).extent == pytest.approx(Rules().extent)
    low, high = Rules.of_sensitivity(0.0), Rules.of_sensitivity(1.0)
    assert low.seed > Rules().seed > high.seed
    assert low.extent > Rules().extent > high.extent
    assert propose(bump(level=level(SEED - 2)), high).verdict == "damaged"
    assert propose(bump(level=level(SEED + 2)), low).verdict == "unsure"
