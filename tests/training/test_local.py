"""Training in the job's own process: without Ray, and to the same bits as one worker of Ray Train."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceinpaint.config import HoleConfig
from faceinpaint.data.stream import StreamPlan, open_training_data, stream_here
from tests.train_job import assert_same_state, command, run


def run_without_ray(*arguments):
    """The job where ``import ray`` fails, as on a machine that has none."""
    _, job, *rest = command(*arguments)
    code = (
        "import runpy, sys\n"
        "sys.modules['ray'] = None\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    return subprocess.run([sys.executable, "-c", code, job, *rest], capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def here(faces_parquet, tmp_path_factory):
    """A run of this process alone."""
    output = tmp_path_factory.mktemp("here")
    done = run_without_ray(faces_parquet, output, "texture", "--steps", "4")
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.slow
def test_a_machine_without_ray_trains(here):
    assert (here / "texture.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [("0", "1"), ("1", "0")])
def test_this_process_and_ray_train_take_the_same_steps(here, faces_parquet, tmp_path, first, then):
    """Each begins a run that the other ends: the bits are those of a run of this process alone."""
    begun = run(faces_parquet, tmp_path, "texture", "--steps", "2", "--workers", first)
    assert begun.returncode == 0, begun.stderr
    done = run(faces_parquet, tmp_path, "texture", "--steps", "4", "--workers", then)
    assert done.returncode == 0, done.stderr
    assert "4 steps" in done.stdout
    assert_same_state(here, tmp_path, "texture")
    assert (here / "texture.safetensors").read_bytes() == (tmp_path / "texture.safetensors").read_bytes()
    assert json.loads((tmp_path / "runs" / "texture" / "run.json").read_text())["workers"] == int(then)


def test_batches_are_those_of_single_steps_in_order(faces_parquet):
    plan = StreamPlan(open_training_data(faces_parquet), HoleConfig(), 32, 0, batch=3)
    batches = list(stream_here(plan, 2, 13))
    assert len(batches) == 11
    for step, batch in enumerate(batches, start=2):
        expected = plan.load(step, step + 1)
        assert batch.keys() == expected.keys()
        assert all(np.array_equal(batch[name], expected[name]) for name in batch)
    assert list(stream_here(plan, 4, 4)) == []


def test_pictures_without_a_key_have_names_and_holes_of_their_own(tmp_path, faces_parquet):
    table = pq.read_table(faces_parquet).slice(1, 4)
    keys = pa.nulls(4, pa.string())
    pq.write_table(table.set_column(table.column_names.index("key"), "key", keys), tmp_path / "a.parquet")
    plan = StreamPlan(open_training_data(str(tmp_path / "a.parquet")), HoleConfig(), 32, 0, batch=4)
    samples = plan.load(0, 1)
    assert sorted(samples["key"]) == [f"row {i} of row group 0" for i in range(4)]
    assert len(set(samples["draw"].tolist())) == 4
    assert len({mask.tobytes() for mask in samples["mask"]}) == 4


def test_a_failing_reader_fails_the_run(tmp_path, faces_parquet):
    plan = StreamPlan(open_training_data(faces_parquet), HoleConfig(), 32, 0, batch=3, crop=(0, 0, 400, 400))
    with pytest.raises(Exception, match="can be used"):
        next(stream_here(plan, 0, 2))
