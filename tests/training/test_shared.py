"""The first stage is asked, and the second paints, once per step: the critic judges what the painter made."""

import pytest
import torch
from torch import nn

from faceinpaint.load_config import load_preset
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.stages.texture import TextureTrainee
from faceinpaint.training.trainee import Batch
from tests.train_job import assert_equal


def batch(step):
    generator = torch.Generator().manual_seed(step)
    images = nn.functional.interpolate(torch.rand(2, 3, 8, 8, generator=generator) * 2 - 1, size=32)
    masks = torch.zeros(2, 1, 32, 32)
    masks[:, :, 8:20, 10:24] = 1
    return Batch(["a", "b"], images, masks, torch.rand(2, generator=generator))


def train(*changes):
    """State after three steps, how often the first stage was asked, and how often the second."""
    config = load_preset("tiny", ["train.texture.batch=2", *changes])
    trainee = build_trainee("texture", config, [])
    run, asked, painted = Run(trainee, config.train["texture"]), [], []
    trainee.model.structure.register_forward_hook(lambda *_: asked.append(1))
    trainee.model.texture.register_forward_hook(lambda *_: painted.append(1))
    for step in range(3):
        run.step(batch(step))
    return run.state_dict(), len(asked), len(painted)


@pytest.mark.parametrize(
    ("change", "times"),
    [
        ("train.texture.accumulate=1", 3),
        ("train.texture.accumulate=2", 6),  # once for each part of a batch
        ("train.texture.tune_structure=0.5", 3),
        ("train.texture.critic_first=2", 3),  # asked by the critic in two steps, and by the painter in one
    ],
)
def test_each_stage_is_asked_once_per_step(change, times):
    _state, asked, painted = train(change)
    assert (asked, painted) == (times, times)


def test_the_critic_sees_the_same_pictures_as_when_they_are_painted_anew_before_the_step(monkeypatch):
    shared, *_ = train()
    learned = TextureTrainee._losses

    def forgetful(self, batch):
        before = self._fake(batch)  # painted by the critic's way first, which the painter's turn then replaces
        losses = learned(self, batch)
        after = self._fake(batch)
        assert after is not before
        torch.testing.assert_close(before, after, rtol=0, atol=0)
        return losses

    monkeypatch.setattr(TextureTrainee, "_losses", forgetful)
    apart, *_ = train()
    assert_equal(shared, apart)
