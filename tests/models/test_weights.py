"""Weights folders: what is saved is loaded, in one part or several, and what does not fit is named."""

from functools import partial

import pytest
import torch
from torch import nn

from faceinpaint.errors import InputError
from faceinpaint.models import weights
from faceinpaint.models.weights import are_whole, load_weights, save_weights
from faceinpaint.storage import join


def network(width=6):
    torch.manual_seed(width)
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Linear(width, 3))


def same(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x.half(), y.half()) for x, y in pairs)


@pytest.mark.parametrize("place", ["disk", "s3"])
@pytest.mark.parametrize("part_bytes", [10**6, 60])
def test_a_model_comes_back(request, tmp_path, monkeypatch, place, part_bytes):
    folder = str(tmp_path) if place == "disk" else join(request.getfixturevalue("bucket"), "w")
    monkeypatch.setattr(weights, "PART_BYTES", part_bytes)
    saved, loaded = network(), network()
    nn.init.zeros_(loaded[0].weight)
    digest = save_weights(folder, "texture", saved)
    assert not same(saved, loaded)
    assert load_weights(folder, "texture", loaded) == digest
    assert same(saved, loaded)


def test_values_beyond_fp16_come_back(tmp_path):
    saved, loaded = network(), network()
    saved[1].running_var[2] = 1e5
    save_weights(str(tmp_path), "texture", saved)
    load_weights(str(tmp_path), "texture", loaded)
    assert loaded[1].running_var[2] == 1e5


def test_parts_of_a_larger_model_before_are_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "PART_BYTES", 60)
    save_weights(str(tmp_path), "texture", network())
    monkeypatch.setattr(weights, "PART_BYTES", 10**6)
    save_weights(str(tmp_path), "texture", network())
    assert [path.name for path in tmp_path.iterdir()] == ["texture.safetensors"]
    load_weights(str(tmp_path), "texture", network())


@pytest.mark.parametrize(("before", "after"), [(60, 60), (40, 60), (10**6, 60), (60, 10**6)])
def test_parts_of_two_models_are_refused_wherever_the_writing_was_killed(tmp_path, monkeypatch, before, after):
    """The older model was in as many parts, in more, in one part; the newer one is in one part."""
    old, new = network(), nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
    steps = 0
    while True:
        folder = str(tmp_path / str(steps))
        monkeypatch.setattr(weights, "PART_BYTES", before)
        save_weights(folder, "texture", old)
        assert are_whole(folder, "texture")
        monkeypatch.setattr(weights, "PART_BYTES", after)
        with monkeypatch.context() as killing:
            killed = killing_after(steps, killing)
            try:
                save_weights(folder, "texture", new)
                break
            except KeyboardInterrupt:
                pass
        assert killed
        loaded = network(6)
        try:
            load_weights(folder, "texture", loaded)
        except InputError as error:
            assert "not of one model" in str(error)  # noqa: PT017
            assert not are_whole(folder, "texture")
        else:
            assert are_whole(folder, "texture")
            assert same(loaded, old) or same(loaded, new)
        steps += 1
    assert steps >= 1
    assert load_weights(folder, "texture", loaded) == save_weights(str(tmp_path / "again"), "texture", new)
    assert same(loaded, new)


def killing_after(steps, patch):
    """Writing and deleting weights files work so many times; returns a list that is filled when they no longer do."""
    done, killed = [], []

    def act(real, *arguments):
        if len(done) == steps:
            killed.append(arguments)
            raise KeyboardInterrupt
        done.append(arguments)
        real(*arguments)

    for name in ("write_bytes", "delete"):
        patch.setattr(weights, name, partial(act, getattr(weights, name)))
    return killed


def test_parts_that_say_nothing_of_themselves_are_taken_as_they_are(tmp_path, monkeypatch):
    """As the committed weights, which are older."""
    monkeypatch.setattr(weights, "PART_BYTES", 60)
    with monkeypatch.context() as older:
        save = weights.safetensors.torch.save
        older.setattr(weights.safetensors.torch, "save", lambda tensors, metadata=None: save(tensors))
        save_weights(str(tmp_path), "texture", network())
    assert len(list(tmp_path.iterdir())) > 1
    assert are_whole(str(tmp_path), "texture")
    load_weights(str(tmp_path), "texture", network())


def test_what_does_not_fit_is_named(tmp_path):
    save_weights(str(tmp_path), "texture", network())
    with pytest.raises(InputError, match=r"misshapen: 0.weight \(6, 4\) instead of \(7, 4\)"):
        load_weights(str(tmp_path), "texture", network(7))
    with pytest.raises(InputError, match="no weights at"):
        load_weights(str(tmp_path), "structure", network())
    (tmp_path / "texture.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_weights(str(tmp_path), "texture", network())
