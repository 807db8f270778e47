"""Every stage goes on from a saved state as if it had never stopped, bit for bit."""

import io

import pytest
import torch
from torch import nn

from faceinpaint.load_config import load_preset
from faceinpaint.stages import STAGES
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.trainee import Batch
from tests.train_job import assert_equal

BATCH, SIZE = 2, 32


def start(stage):
    config = load_preset("tiny", [f"train.{stage}.batch={BATCH}"])
    return Run(build_trainee(stage, config, []), config.train[stage], seed=config.seed)


def batch(step):
    generator = torch.Generator().manual_seed(step)
    images = nn.functional.interpolate(torch.rand(BATCH, 3, 8, 8, generator=generator) * 2 - 1, size=SIZE)
    masks = torch.zeros(BATCH, 1, SIZE, SIZE)
    masks[:, :, 8:20, 10:24] = 1
    draws, labels = torch.rand(BATCH, generator=generator), torch.randint(19, (BATCH, SIZE, SIZE), generator=generator)
    return Batch([f"{step}-{i}" for i in range(BATCH)], images, masks, draws, labels)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_goes_on_bit_for_bit(stage):
    whole, cut = start(stage), start(stage)
    for step in range(4):
        whole.step(batch(step))
    for step in range(2):
        cut.step(batch(step))
    assert not torch.equal(
        *(nn.utils.parameters_to_vector(run.trainee.modules[stage].parameters()) for run in (whole, cut))
    )
    file = io.BytesIO()
    torch.save(cut.state_dict(), file)
    resumed = start(stage)
    resumed.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    for step in range(2, 4):
        resumed.step(batch(step))
    assert_equal(whole.state_dict(), resumed.state_dict())
