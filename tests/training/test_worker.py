"""What a worker checks before it trains."""

import pytest
import torch

from faceinpaint.errors import InputError
from faceinpaint.load_config import load_preset
from faceinpaint.training.plan import make_job
from faceinpaint.training.worker import _start


def test_an_output_that_the_driver_did_not_begin_is_refused(faces_parquet, tmp_path):
    data, output = str(faces_parquet), str(tmp_path / "out")
    job = make_job(load_preset("tiny"), "pconv", data=data, validation=data, output=output)
    with pytest.raises(InputError, match="is not the driver's: on several nodes `output` must be storage"):
        _start(job, 0, torch.device("cpu"))
