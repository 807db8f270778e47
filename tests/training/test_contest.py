"""Trainees with critics: terms of the right value, and a step that moves everything it should."""

import numpy as np
import pytest
import torch
from torch import nn

from faceinpaint.load_config import load_preset
from faceinpaint.tensors import composite
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.trainee import Batch

STAGES = ("context-encoder", "deepfill-v1", "deepfill-v2")


def make_batch():
    generator = torch.Generator().manual_seed(1)
    images = nn.functional.interpolate(torch.rand(2, 3, 8, 8, generator=generator) * 2 - 1, size=32)
    masks = torch.zeros(2, 1, 32, 32)
    masks[:, :, 8:20, 10:24] = 1
    return Batch(["a", "b"], images, masks, torch.tensor([0.25, 0.75]))


def make_trainee(stage, *changes):
    return build_trainee(stage, load_preset("tiny", list(changes)), [])


@pytest.mark.parametrize("stage", STAGES)
def test_one_step_moves_every_parameter_of_the_network_and_its_critics(stage):
    config = load_preset("tiny")
    run = Run(build_trainee(stage, config, []), config.train[stage])
    before = {f"{m}.{n}": p.clone() for m, module in run.trainee.modules.items() for n, p in module.named_parameters()}
    run.step(make_batch())
    after = {f"{m}.{n}": p for m, module in run.trainee.modules.items() for n, p in module.named_parameters()}
    assert len(run.trainee.modules) > 1
    assert [name for name, value in before.items() if torch.equal(value, after[name])] == []


@pytest.mark.parametrize("stage", STAGES)
def test_each_side_moves_itself_alone(stage):
    config = load_preset("tiny", [f"train.{stage}.critic_first=1"])
    run = Run(build_trainee(stage, config, []), config.train[stage])
    network, *critics = run.trainee.modules.values()
    vector = lambda module: nn.utils.parameters_to_vector(module.parameters()).clone()  # noqa: E731
    first, theirs = vector(network), [vector(critic) for critic in critics]
    measured = run.step(make_batch())
    assert torch.equal(vector(network), first)  # critic_first: its turn has not come
    assert not any(torch.equal(vector(critic), old) for critic, old in zip(critics, theirs, strict=True))
    assert f"grad_norm/{stage}" not in measured
    assert f"grad_norm/{stage}" in run.step(make_batch())


@torch.no_grad()
def test_context_encoder_terms():
    trainee, batch = make_trainee("context-encoder"), make_batch()
    picture = trainee.network.paint(batch.images, batch.masks)
    terms = trainee.losses(batch)
    scores, real = trainee.critic(picture), trainee.critic(batch.images)
    assert terms["l2"].item() == pytest.approx(((picture - batch.images).numpy() ** 2).mean())
    assert terms["adversarial"].item() == pytest.approx(np.log(1 + np.exp(-scores.numpy())).mean(), rel=1e-5)
    expected = np.log(1 + np.exp(-real.numpy())).mean() + np.log(1 + np.exp(scores.numpy())).mean()
    assert trainee.critic_losses(batch)["logistic_d"].item() == pytest.approx(expected, rel=1e-5)
    assert trainee.phases[-1].total(terms).item() == pytest.approx(
        0.999 * terms["l2"].item() + 0.001 * terms["adversarial"].item()
    )


def test_deepfill_v1_terms():
    """The hole of 12 x 14 at (8, 10) lies in the middle of a window of 16: rows from 6, columns from 9."""
    trainee, batch = make_trainee("deepfill-v1"), make_batch()
    with torch.no_grad():
        coarse, picture = trainee.network.paint(batch.images, batch.masks)
        terms = trainee.losses(batch)
        pasted = composite(picture, batch.images, batch.masks)
        cut = lambda x: x[:, :, 6:22, 9:25]  # noqa: E731
        fake = trainee.critic(pasted).mean() + trainee.window_critic(cut(pasted)).mean()
        real = trainee.critic(batch.images).mean() + trainee.window_critic(cut(batch.images)).mean()
    rows, columns = np.arange(12)[:, None], np.arange(14)[None]
    steps = 1 + np.minimum(np.minimum(rows, 11 - rows), np.minimum(columns, 13 - columns))
    for prefix, made in (("", picture), ("coarse_", coarse)):
        error = (made - batch.images).abs().numpy()
        hole = (error[:, :, 8:20, 10:24] * 0.9**steps).mean()
        outside = (error.sum() - error[:, :, 8:20, 10:24].sum()) / (2 * 3 * (32 * 32 - 12 * 14))
        assert terms[f"{prefix}hole"].item() == pytest.approx(hole, rel=1e-5)
        assert terms[f"{prefix}valid"].item() == pytest.approx(outside, rel=1e-5)
    assert terms["adversarial"].item() == pytest.approx(-fake.item(), rel=1e-4)
    weights = {"hole": 1.2, "valid": 1.2, "coarse_hole": 1.44, "coarse_valid": 1.44, "adversarial": 0.001}
    assert trainee.phases[-1].weights == pytest.approx(weights)
    critic = trainee.critic_losses(batch)
    assert (critic["critic"] + critic["window_critic"]).item() == pytest.approx((fake - real).item(), abs=1e-5)
    assert [phase.name for phase in trainee.phases] == ["critic", "critic", "deepfill-v1"]  # critic_steps: 2


def test_deepfill_v1_penalises_gradients_in_the_hole_alone():
    """Critics that are linear have one gradient everywhere: that of their weights, of which the hole's part counts."""
    trainee, batch = make_trainee("deepfill-v1", "deepfill_v1.critic_steps=1"), make_batch()
    trainee.critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 1), nn.Flatten(0))
    trainee.window_critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 1), nn.Flatten(0))
    whole = trainee.critic[1].weight.view(3, 32, 32)[:, 8:20, 10:24].norm()
    window = trainee.window_critic[1].weight.view(3, 16, 16)[:, 2:14, 1:15].norm()
    expected = (whole - 1) ** 2 + (window - 1) ** 2
    torch.testing.assert_close(trainee.critic_losses(batch)["gradient_penalty"], expected)


@torch.no_grad()
def test_deepfill_v2_terms():
    trainee, batch = make_trainee("deepfill-v2"), make_batch()
    trainee.critic.eval()  # spectral norms as they are, whatever the number of calls
    coarse, picture = trainee.network.paint(batch.images, batch.masks)
    terms = trainee.losses(batch)
    pasted = composite(picture, batch.images, batch.masks)
    real, fake = (trainee.critic(torch.cat([each, batch.masks], 1)).numpy() for each in (batch.images, pasted))
    assert terms["l1"].item() == pytest.approx((picture - batch.images).abs().mean().item())
    assert terms["coarse_l1"].item() == pytest.approx((coarse - batch.images).abs().mean().item())
    assert terms["adversarial"].item() == pytest.approx(-fake.mean(), rel=1e-4, abs=1e-6)
    expected = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    assert trainee.critic_losses(batch)["hinge"].item() == pytest.approx(expected, rel=1e-5)
    assert trainee.phases[-1].weights == {"l1": 1, "coarse_l1": 1, "adversarial": 1}


@pytest.mark.parametrize("stage", STAGES)
def test_a_step_in_bf16_has_the_losses_of_fp32(stage):
    measured = []
    for precision in ("fp32", "bf16"):
        config = load_preset("tiny")
        run = Run(build_trainee(stage, config, []), config.train[stage], precision=precision, channels_last=True)
        measured.append({k: v for k, v in run.step(make_batch()).items() if not k.startswith("grad_norm")})
    assert measured[1] == pytest.approx(measured[0], rel=0.1, abs=0.03)
    assert measured[1] != measured[0]
