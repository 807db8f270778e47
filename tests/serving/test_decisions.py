"""Decisions about proposals: durable, undoable, and none lost to another person or a crash."""

import threading

import numpy as np
import pytest

from faceinpaint.serving import decisions
from faceinpaint.serving.decisions import ConflictError, Decisions
from faceinpaint.storage import write_bytes


@pytest.fixture
def square():
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9, 6:12] = 1
    return mask


def test_decisions_and_masks_are_there_after_reopening(tmp_path, square):
    book = Decisions(str(tmp_path))
    book.record("a/b.png", "edited", square, "ann", None)
    book.record("c.jpg", "rejected", None, "ann", None)
    again = Decisions(str(tmp_path))
    assert {key: d.verdict for key, d in again.latest.items()} == {"a/b.png": "edited", "c.jpg": "rejected"}
    assert np.array_equal(again.mask("a/b.png"), square)
    assert again.mask("c.jpg") is None


def test_rejecting_takes_the_mask_away_and_undo_brings_it_back(tmp_path, square):
    book = Decisions(str(tmp_path))
    first = book.record("k", "accepted", square, "ann", None)
    book.record("k", "rejected", None, "ann", first.id)
    assert not (tmp_path / "masks/k.png").exists()
    assert book.undo("ann").verdict == "rejected"
    assert np.array_equal(book.mask("k"), square)
    assert book.latest["k"] == first
    assert book.undo("ann") == first
    assert "k" not in book.latest
    assert book.undo("ann") is None
    assert Decisions(str(tmp_path)).latest == {}


def test_a_second_decision_on_what_one_saw_before_is_a_conflict(tmp_path, square):
    book = Decisions(str(tmp_path))
    book.record("k", "accepted", square, "ann", None)
    with pytest.raises(ConflictError, match="ann accepted it meanwhile"):
        book.record("k", "rejected", None, "ben", None)
    assert book.latest["k"].verdict == "accepted"
    assert book.mask("k") is not None


def test_undo_takes_back_only_ones_own(tmp_path, square):
    book = Decisions(str(tmp_path))
    book.record("k", "accepted", square, "ann", None)
    book.record("l", "accepted", square, "ben", None)
    assert book.undo("ann").key == "k"
    assert set(book.latest) == {"l"}


def test_many_people_at_once_lose_nothing(tmp_path, square):
    book = Decisions(str(tmp_path))

    def work(person):
        for i in range(15):
            book.record(f"{person}-{i}", "accepted", square, person, None)

    threads = [threading.Thread(target=work, args=(f"p{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Decisions(str(tmp_path)).latest) == 60
    assert len(list((tmp_path / "masks").iterdir())) == 60


def test_a_crash_before_the_mask_is_put_right_on_opening(tmp_path, square, monkeypatch):
    book = Decisions(str(tmp_path))
    monkeypatch.setattr(Decisions, "_enforce", lambda self, newest: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        book.record("k", "edited", square, "ann", None)
    assert not (tmp_path / "masks/k.png").exists()
    monkeypatch.undo()
    assert np.array_equal(Decisions(str(tmp_path)).mask("k"), square)


def test_a_mask_that_storage_refused_is_written_before_the_next_decision(tmp_path, square, monkeypatch):
    """Only the newest decision's mask is put right on opening: no earlier one may be left behind."""

    def fails(uri, data):
        if uri.endswith("masks/k.png"):
            raise OSError("no room")
        write_bytes(uri, data)

    book = Decisions(str(tmp_path))
    monkeypatch.setattr(decisions, "write_bytes", fails)
    with pytest.raises(OSError, match="no room"):
        book.record("k", "edited", square, "ann", None)
    with pytest.raises(OSError, match="no room"):  # it has room for this one, but not yet for the one before
        book.record("l", "edited", square, "ann", None)
    assert "l" not in book.latest
    monkeypatch.setattr(decisions, "write_bytes", write_bytes)
    book.record("m", "rejected", None, "ann", None)
    for each in (book, Decisions(str(tmp_path))):
        assert np.array_equal(each.mask("k"), square)
        assert set(each.latest) == {"k", "m"}


def test_small_files_are_merged_and_say_the_same(tmp_path, square, monkeypatch):
    monkeypatch.setattr(decisions, "MERGE_FROM", 5)
    book = Decisions(str(tmp_path))
    for i in range(7):
        book.record(f"k{i}", "accepted" if i % 2 else "rejected", square if i % 2 else None, "ann", None)
    before = dict(book.latest)
    assert Decisions(str(tmp_path)).latest == before
    assert len(list((tmp_path / "decisions").glob("*.parquet"))) == 1
    assert Decisions(str(tmp_path)).latest == before
