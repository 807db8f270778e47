"""A first stage that does not learn is asked once per step, and nothing differs from asking it in every phase."""

import pytest
import torch
from torch import nn

from faceinpaint.load_config import load_preset
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.trainee import Batch
from tests.train_job import assert_equal


def batch(step):
    generator = torch.Generator().manual_seed(step)
    images = nn.functional.interpolate(torch.rand(2, 3, 8, 8, generator=generator) * 2 - 1, size=32)
    masks = torch.zeros(2, 1, 32, 32)
    masks[:, :, 8:20, 10:24] = 1
    return Batch(["a", "b"], images, masks, torch.rand(2, generator=generator))


def train(*changes):
    """State after three steps, and how often the first stage was asked."""
    config = load_preset("tiny", ["train.texture.batch=2", *changes])
    trainee = build_trainee("texture", config, [])
    run, asked = Run(trainee, config.train["texture"]), []
    trainee.model.structure.register_forward_hook(lambda *_: asked.append(1))
    for step in range(3):
        run.step(batch(step))
    return run.state_dict(), len(asked)


def test_one_forward_per_step_and_the_same_bits(monkeypatch):
    shared, asked = train()
    monkeypatch.setattr(Batch, "part", lambda self, index, parts: Batch(self.keys, self.images, self.masks, self.draws))
    apart, asked_apart = train()
    assert (asked, asked_apart) == (3, 6)
    assert_equal(shared, apart)


@pytest.mark.parametrize("change", ["train.texture.tune_structure=0.5", "train.texture.accumulate=2"])
def test_a_first_stage_that_learns_and_parts_of_batches_are_asked_anew(change):
    _, asked = train(change)
    assert asked == {"train.texture.tune_structure=0.5": 6, "train.texture.accumulate=2": 12}[change]
