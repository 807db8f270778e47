"""Validation of a generator: its Frechet distance is that of the pictures it makes."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from faceinpaint.config import HoleConfig
from faceinpaint.data.stream import StreamPlan, open_training_data
from faceinpaint.losses.frechet import Moments, frechet_distance, load_extractor
from faceinpaint.tensors import to_uint8
from faceinpaint.training.validation import validate_generation


class EchoRun:
    """Stands for a run whose generator makes the held-out pictures, ``shift`` brighter."""

    device, memory_format, averages = torch.device("cpu"), torch.contiguous_format, {"generator": nn.Identity()}

    def __init__(self, shift):
        self.shift, self.trainee = shift, self

    def autocast(self):
        return torch.no_grad()

    def restore(self, batch, averaged):
        return (batch.images + self.shift).clamp(-1, 1)


def plan_of(tmp_path, count=20):
    random = np.random.default_rng(0)
    rows = []
    for i in range(count):
        buffer = io.BytesIO()
        Image.fromarray(random.integers(0, 200, (32, 32, 3), np.uint8)).save(buffer, "PNG")
        rows.append({"key": f"k{i}", "image": buffer.getvalue()})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    return StreamPlan(open_training_data(str(tmp_path / "p.parquet")), HoleConfig(), 32, 0, batch=5, flip=False)


def test_the_distance_is_that_of_all_pictures_at_once(tmp_path):
    plan = plan_of(tmp_path)
    same = validate_generation(EchoRun(0.0), plan, 0, "celeba")
    other = validate_generation(EchoRun(0.3), plan, 0, "celeba")
    assert abs(same.scores["frechet"]) < 1e-6 < other.scores["frechet"]
    assert other.best_by == -other.scores["frechet"]
    assert same.sheet.shape == (5, 3, 32, 32)
    true = plan.load(0, 4)["image"]
    bright = to_uint8((torch.from_numpy(true).permute(0, 3, 1, 2).float() / 127.5 - 1 + 0.3).clamp(-1, 1))
    features = load_extractor(torch.device("cpu"), "celeba")
    expected = frechet_distance(Moments.of(features(bright)), Moments.of(features(true)))
    assert other.scores["frechet"] == pytest.approx(expected, rel=1e-4)
