"""Checkpoints: whole, verified, the last and the best kept."""

import pytest
import torch

from faceinpaint.errors import InputError
from faceinpaint.training.checkpoint import CheckpointStore


def state(step):
    return {"step": step, "modules": {"m": {"w": torch.full((4,), float(step))}}}


def test_newest_is_read_back(tmp_path):
    store = CheckpointStore(str(tmp_path / "c"))
    assert store.newest() is None
    store.save(1, state(1))
    store.save(2, state(2))
    assert store.newest()["step"] == 2
    assert torch.equal(store.newest()["modules"]["m"]["w"], torch.full((4,), 2.0))


def test_last_ones_and_the_best_are_kept(tmp_path):
    store = CheckpointStore(str(tmp_path), keep=2)
    for step, score in [(1, 5.0), (2, 9.0), (3, 1.0), (4, 2.0), (5, 3.0)]:
        store.save(step, state(step), score)
    assert [note["step"] for note in store.notes()] == [2, 4, 5]
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json"] * 3 + [".pt"] * 3


@pytest.mark.parametrize("keep", [1, 3])
def test_the_newest_and_the_best_stay_whatever_number_is_kept(tmp_path, keep):
    store = CheckpointStore(str(tmp_path), keep=keep)
    for step, score in [(1, 9.0), (2, 1.0), (3, 2.0), (4, 3.0), (5, 4.0)]:
        store.save(step, state(step), score)
    assert [note["step"] for note in store.notes()] == [1, *range(6 - keep, 6)]


@pytest.mark.parametrize("keep", [0, -1])
def test_keeping_none_is_refused(tmp_path, keep):
    with pytest.raises(InputError, match="the newest must stay"):
        CheckpointStore(str(tmp_path), keep=keep)


def test_damaged_newest_falls_back_with_a_warning(tmp_path, caplog):
    store = CheckpointStore(str(tmp_path))
    store.save(1, state(1))
    store.save(2, state(2))
    data = bytearray((tmp_path / "step-00000002.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "step-00000002.pt").write_bytes(data)
    assert store.newest()["step"] == 1
    assert "step-00000002.pt is damaged" in caplog.text


def test_state_without_a_note_does_not_count(tmp_path):
    store = CheckpointStore(str(tmp_path))
    store.save(1, state(1))
    store.save(2, state(2))
    (tmp_path / "step-00000002.json").unlink()  # the process died between the two writes
    assert store.newest()["step"] == 1
