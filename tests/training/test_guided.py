"""Methods of two networks: both learn, the second follows the first in time, and losses have their values."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from faceinpaint.load_config import load_preset
from faceinpaint.losses.sampling import sampling_correctness
from faceinpaint.models.baselines.spgnet import one_hot
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.trainee import Batch

STAGES = ("edgeconnect", "structureflow", "spg-net")
FIRST = {"edgeconnect": "edges", "structureflow": "structure", "spg-net": "prediction"}
MASKS = torch.zeros(2, 1, 32, 32)
MASKS[0, :, 8:20, 10:24] = 1
MASKS[1, :, 4:28, 6:30] = 1


def batch():
    generator = torch.Generator().manual_seed(3)
    images = F.interpolate(torch.rand(2, 3, 8, 8, generator=generator) * 2 - 1, size=32, mode="bilinear")
    labels = torch.randint(19, (2, 32, 32), generator=generator)
    return Batch(["a", "b"], images, MASKS, torch.tensor([0.2, 0.8]), labels)


def trainee_of(stage):
    return build_trainee(stage, load_preset("tiny", [f"train.{stage}.batch=2"]), [])


@pytest.mark.parametrize("stage", STAGES)
def test_one_step_changes_every_parameter(stage):
    config = load_preset("tiny", [f"train.{stage}.batch=2"])
    trainee = build_trainee(stage, config, [])
    before = {n: p.clone() for name, m in trainee.modules.items() for n, p in m.named_parameters(prefix=name)}
    measured = Run(trainee, config.train[stage]).step(batch())
    after = {n: p for name, m in trainee.modules.items() for n, p in m.named_parameters(prefix=name)}
    # A bias before instance norm has no say, and no gradient but rounding.
    assert not [name for name, value in before.items() if torch.equal(value, after[name])]
    terms = [term for phase in trainee.phases for term in phase.weights]
    assert len(set(terms)) == len(terms)
    assert all(math.isfinite(measured[term]) for term in terms)


@pytest.mark.parametrize("stage", STAGES)
def test_the_second_network_follows_the_first_when_its_time_has_come(stage):
    trainee = trainee_of(stage)
    first = getattr(trainee.model, FIRST[stage])
    pictures = {}
    for progress in (0.0, 0.49, 0.5):
        trainee.before_step(progress)
        for name in ("before", "after"):
            painted = trainee._paint(batch())
            pictures[progress, name] = painted[0] if isinstance(painted, tuple) else painted
            with torch.no_grad():
                for parameter in first.parameters():
                    parameter.add_(0.1 * torch.randn_like(parameter))
    assert torch.equal(pictures[0.0, "before"], pictures[0.49, "after"])
    assert not torch.equal(pictures[0.5, "before"], pictures[0.5, "after"])


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("stage", STAGES)
def test_a_step_runs_each_network_once_for_each_part_of_its_batch(stage, parts):
    changes = [f"train.{stage}.batch=2", f"train.{stage}.accumulate={parts}"]
    config = load_preset("tiny", [*changes, f"{stage.replace('-', '_')}.guided_from=0"])
    trainee = build_trainee(stage, config, [])
    run, calls = Run(trainee, config.train[stage]), []
    for name, network in trainee.model.named_children():
        network.register_forward_hook(lambda *_, name=name: calls.append(name))
    run.step(batch())
    assert sorted(calls) == sorted(parts * [name for name, _ in trainee.model.named_children()])


@pytest.mark.parametrize("stage", STAGES)
def test_gradients_stay_in_their_network(stage):
    config = load_preset("tiny", [f"train.{stage}.batch=2", f"{stage.replace('-', '_')}.guided_from=0"])
    trainee = build_trainee(stage, config, [])
    trainee.before_step(0.5)
    second = trainee.phases[2]
    second.total(second.losses(batch())).backward()
    first = getattr(trainee.model, FIRST[stage])
    assert all(p.grad is None for p in first.parameters())
    assert any(p.grad is not None and p.grad.any() for p in second.parameters())


def test_edgeconnects_l1_is_over_each_holes_share():
    trainee, given = trainee_of("edgeconnect"), batch()
    picture = trainee._paint(given)
    losses = trainee._completion_losses(given)
    each = [(picture[i] - given.images[i]).abs().mean() / 2 / MASKS[i].mean() for i in range(2)]
    assert losses["l1"].item() == pytest.approx(sum(each).item() / 2, rel=1e-5)


def test_structureflows_terms():
    trainee, given = trainee_of("structureflow"), batch()
    for critic in (trainee.critic, trainee.structure_critic):
        critic.eval()  # no step of power iteration between the two looks
    made = trainee._reconstruct(given)
    losses = trainee._structure_losses(given)
    assert losses["structure_l1"].item() == pytest.approx((made - trainee._smooth(given)).abs().mean().item(), rel=1e-5)
    scores = trainee.structure_critic(made)
    expected = sum(((each - 1) ** 2).mean() for each in scores) / 2
    assert losses["structure_adversarial"].item() == pytest.approx(expected.item(), rel=1e-5)
    real, fake = (trainee.structure_critic(each) for each in (trainee._smooth(given), made))
    expected = sum(((a - 1) ** 2).mean() + (b**2).mean() for a, b in zip(real, fake, strict=True)) / 4
    found = trainee._structure_critic_losses(given)["structure_critic_loss"]
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_spg_nets_first_network_is_given_labels_by_a_samples_draw():
    trainee, given = trainee_of("spg-net"), batch()
    trainee.model.eval()
    hot = one_hot(given.labels, 19)
    hot[1] = 0  # its draw of 0.8 is above labels_given
    expected = trainee.model.predicted(given.images, MASKS, hot)
    torch.testing.assert_close(trainee._predict(given), expected)
    losses = trainee._prediction_losses(given)
    assert losses["cross_entropy"].item() == pytest.approx(F.cross_entropy(expected, given.labels).item(), rel=1e-4)


def slow_correctness(truth, source, sampled, holes):
    """Ren 2019, equations 7 and 8, one position at a time."""
    values = []
    for row in range(truth.shape[1]):
        for column in range(truth.shape[2]):
            if holes[row, column]:
                here = truth[:, row, column]
                cosine = lambda other, here=here: torch.dot(here, other) / (here.norm() * other.norm())  # noqa: E731
                best = max(cosine(source[:, j, i]) for j in range(source.shape[1]) for i in range(source.shape[2]))
                values.append(math.exp(-cosine(sampled[:, row, column]) / best))
    return sum(values) / len(values)


def test_sampling_correctness_is_that_of_loops(monkeypatch):
    torch.manual_seed(0)
    truth, source, sampled = torch.rand(3, 1, 4, 5, 5)
    holes = torch.zeros(1, 1, 5, 5)
    holes[..., 1:4, 2:5] = 1
    monkeypatch.setattr("faceinpaint.losses.sampling.gaussian_sample", lambda *_: sampled)
    found = sampling_correctness(truth, source, torch.zeros(1, 2, 5, 5), holes)
    assert found.item() == pytest.approx(slow_correctness(truth[0], source[0], sampled[0], holes[0, 0]), rel=1e-5)


def test_a_flow_that_points_at_the_truth_is_the_best():
    """Of features in blocks, moved by three cells: the flow that undoes the move has the smallest loss."""
    torch.manual_seed(0)
    truth = F.interpolate(torch.randn(1, 8, 4, 4), scale_factor=4)
    source, holes = truth.roll(3, 3), torch.zeros(1, 1, 16, 16)
    holes[..., 4:12, 4:10] = 1
    flow = torch.zeros(1, 2, 16, 16)
    losses = []
    for move in (-3, 0, 3, 6):
        flow[:, 0] = move
        losses.append(sampling_correctness(truth, source, flow, holes).item())
    assert min(losses) == losses[2]
    assert math.exp(-1) < losses[2] < 0.5  # exp(-1) at equal features; the window mixes some others in


def test_critics_and_features_are_no_part_of_the_exported_weights():
    for stage in STAGES:
        trainee = trainee_of(stage)
        assert set(trainee.exported) == {stage}
        assert trainee.exported[stage] is trainee.modules[stage]
        assert all(isinstance(module, nn.Module) for module in trainee.frozen)
