"""A run's steps, averages, schedules and state."""

import math

import pytest
import torch
from torch import nn

from faceinpaint.config import StageTraining
from faceinpaint.training import ema
from faceinpaint.training.run import DivergedError, Run, lr_factor
from faceinpaint.training.trainee import Batch, Phase, adam


class LineTrainee:
    """Fits w x = y: the smallest trainee there is."""

    def __init__(self, settings, poison_at=None):
        self.line = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.line.weight)
        self.modules = {"line": self.line}
        self.exported = {"line": self.line}
        self.frozen = ()
        self.phases = [Phase("line", (self.line,), adam(self.line.parameters(), settings), self.losses, {"fit": 1.0})]
        self.poison_at, self.calls = poison_at, 0

    def before_step(self, progress):
        self.calls += 1

    def losses(self, batch):
        x = batch.images.mean((1, 2, 3))[:, None]
        loss = (self.line(x) - 3 * x).square().mean()
        return {"fit": loss * float("nan") if self.calls == self.poison_at else loss}


def make_batch(count=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, 4, 4, generator=generator)
    return Batch([f"k{i}" for i in range(count)], images, torch.zeros(count, 1, 4, 4), torch.zeros(count))


def settings(**changes):
    return StageTraining(**{"steps": 100, "batch": 8, "lr": 0.1, **changes})


def test_a_run_learns():
    run = Run(LineTrainee(settings()), settings())
    first = run.step(make_batch())["fit"]
    for _ in range(50):
        last = run.step(make_batch())["fit"]
    assert last < first / 100


def test_resumed_run_equals_uninterrupted_one():
    whole = Run(LineTrainee(settings()), settings(schedule="cosine", warmup=3))
    cut = Run(LineTrainee(settings()), settings(schedule="cosine", warmup=3))
    for seed in range(6):
        whole.step(make_batch(seed=seed))
    for seed in range(3):
        cut.step(make_batch(seed=seed))
    resumed = Run(LineTrainee(settings()), settings(schedule="cosine", warmup=3))
    resumed.load_state_dict(cut.state_dict())
    for seed in range(3, 6):
        resumed.step(make_batch(seed=seed))
    assert torch.equal(whole.trainee.line.weight, resumed.trainee.line.weight)
    assert torch.equal(whole.averages["line"].weight, resumed.averages["line"].weight)


@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_micro_batches_equal_one_batch(accumulate):
    plain = Run(LineTrainee(settings()), settings())
    split = Run(LineTrainee(settings()), settings(accumulate=accumulate))
    for seed in range(3):
        a, b = plain.step(make_batch(seed=seed)), split.step(make_batch(seed=seed))
        assert a["fit"] == pytest.approx(b["fit"], rel=1e-5)
    torch.testing.assert_close(plain.trainee.line.weight, split.trainee.line.weight)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_batch():
    run = Run(LineTrainee(settings(), poison_at=2), settings())
    run.step(make_batch())
    before = run.trainee.line.weight.clone()
    with pytest.raises(DivergedError, match=r"step 1, phase line: fit.*k0, k1"):
        run.step(make_batch())
    assert torch.equal(run.trainee.line.weight, before)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_bad_steps_within_the_budget_are_left_out(precision):
    run = Run(LineTrainee(settings(), poison_at=2), settings(bad_steps=1), precision=precision)
    run.step(make_batch())
    before = run.trainee.line.weight.clone()
    run.step(make_batch())
    assert torch.equal(run.trainee.line.weight, before)
    assert run.bad_steps == 1
    run.step(make_batch())
    assert not torch.equal(run.trainee.line.weight, before)


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [("constant", 50, 1.0), ("cosine", 50, 0.5), ("cosine", 0, 1.0), ("step", 25, 0.25)],
)
def test_schedules(schedule, step, expected):
    assert lr_factor(settings(schedule=schedule, step_every=10, step_factor=0.5), step) == pytest.approx(expected)


def test_warm_up_is_linear():
    assert [lr_factor(settings(warmup=4), step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_average_has_the_stated_half_life():
    average, module = nn.Linear(1, 1), nn.Linear(1, 1)
    with torch.no_grad():
        average.weight.fill_(0)
        module.weight.fill_(1)
    for _ in range(10):  # 10 steps of 10 pictures: one half-life
        ema.update(average, module, batch=10, half_life=100, pictures_seen=10**9)
    assert average.weight.item() == pytest.approx(0.5, abs=1e-6)


def test_early_averages_forget_the_start_soon():
    average, module = nn.Linear(1, 1), nn.Linear(1, 1)
    with torch.no_grad():
        average.weight.fill_(0)
        module.weight.fill_(1)
    ema.update(average, module, batch=10, half_life=100, pictures_seen=100)  # half-life cut to 5 pictures
    assert average.weight.item() == pytest.approx(1 - 0.5 ** (10 / 5))
    assert math.isfinite(average.bias.item())
