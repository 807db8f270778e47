"""What a worker checks before it trains, and what it leaves when it is killed at the end."""

import pytest
import torch

from faceinpaint.errors import InputError
from faceinpaint.load_config import load_preset
from faceinpaint.models.weights import read_weights
from faceinpaint.training import worker
from faceinpaint.training.driver import is_finished, train
from faceinpaint.training.plan import Resources, make_job
from faceinpaint.training.worker import _start
from tests.train_job import assert_equal, newest_state


def job_of(faces, output, steps=4):
    config = load_preset("tiny", [f"train.pconv.steps={steps}"])
    return make_job(config, "pconv", data=str(faces), validation=str(faces), output=str(output))


def assert_exported(output):
    """The weights file holds the averages of the newest checkpoint."""
    averages = newest_state(output, "pconv")["averages"]["pconv"]
    assert_equal(
        read_weights(str(output), "pconv")[0],
        {key: value.half() if value.is_floating_point() else value for key, value in averages.items()},
    )


def test_an_output_that_the_driver_did_not_begin_is_refused(faces_parquet, tmp_path):
    with pytest.raises(InputError, match="is not the driver's: on several nodes `output` must be storage"):
        _start(job_of(faces_parquet, tmp_path / "out"), 0, torch.device("cpu"))


def test_a_worker_that_cannot_read_what_the_first_one_goes_on_from_does_not_begin_anew(
    faces_parquet, tmp_path, monkeypatch
):
    job = job_of(faces_parquet, tmp_path)
    (tmp_path / "runs" / "pconv").mkdir(parents=True)
    (tmp_path / "runs" / "pconv" / "run.json").write_text("{}")
    monkeypatch.setattr(worker.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(worker.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(worker.dist, "broadcast_object_list", lambda steps: steps.__setitem__(0, 2))
    with pytest.raises(RuntimeError, match="different checkpoints: step 0 here, 2 on rank 0"):
        _start(job, 1, torch.device("cpu"))


def test_a_gpu_that_is_not_there_is_named(faces_parquet, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no device 'cuda' here"):
        train(job_of(faces_parquet, tmp_path), Resources(workers=0, gpus_per_worker=1))


def test_a_run_killed_while_it_exports_is_not_finished(faces_parquet, tmp_path, monkeypatch):
    train(job_of(faces_parquet, tmp_path, steps=1), Resources(workers=0))
    longer = job_of(faces_parquet, tmp_path, steps=2)
    with monkeypatch.context() as killed:
        killed.setattr(worker, "save_weights", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(longer, Resources(workers=0))
    assert not is_finished(longer)  # the weights that lie there are those of one step
    train(longer, Resources(workers=0))
    assert is_finished(longer)
    assert_exported(tmp_path)


def test_weights_that_are_gone_are_written_again(faces_parquet, tmp_path):
    job = job_of(faces_parquet, tmp_path, steps=1)
    train(job, Resources(workers=0))
    (tmp_path / "pconv.safetensors").unlink()
    assert train(job, Resources(workers=0))["step"] == 1
    assert_exported(tmp_path)
