"""Label maps stay beside their pictures, each pixel with its class: through files, sizes, mirrors and moves."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from faceinpaint.config import HoleConfig, JitterConfig
from faceinpaint.data import prepare as module
from faceinpaint.data.labels import decode_labels, mirrored_labels
from faceinpaint.data.prepare import prepare
from faceinpaint.data.stream import StreamPlan, open_training_data
from faceinpaint.encoding import png_bytes
from faceinpaint.errors import InputError
from faceinpaint.images import crop_to
from faceinpaint.load_config import load_preset
from faceinpaint.training.jitter import jittered, labels_jittered
from faceinpaint.training.plan import make_job
from faceinpaint.training.validation import to_batch

MAPS = [np.random.default_rng(i).integers(0, 19, (32, 32), np.uint8) for i in range(6)]


PART = np.arange(19, dtype=np.uint8)
PART[[5, 7, 9]] = [4, 6, 8]  # a left and a right eye, brow or ear look the same


def picture_of(labels):
    """A picture that tells its labels but not their sides: ten levels of grey for each part of a face."""
    return np.repeat(PART[labels][..., None] * np.uint8(10), 3, 2)


def exchanged(labels):
    """With the classes 4 and 5, 6 and 7, 8 and 9 exchanged."""
    return np.where((labels >= 4) & (labels <= 9), labels ^ 1, labels)


def write(path, maps, labels=None):
    labels = [png_bytes(each) for each in maps] if labels is None else labels
    images = [png_bytes(picture_of(each)) for each in maps]
    table = pa.table(
        {"key": [f"k{i}" for i in range(len(maps))], "image": images, "label": pa.array(labels, pa.binary())}
    )
    pq.write_table(table, path)
    return str(path)


def load(path, steps=1, **changes):
    plan = StreamPlan(open_training_data(path, True), HoleConfig(), 32, 0, batch=len(MAPS), classes=19)
    return StreamPlan(**{**vars(plan), **changes}).load(0, steps)


def test_grey_and_palette_maps_are_read():
    labels = MAPS[0]
    palette = Image.fromarray(labels, "P")
    palette.putpalette([255 - i // 3 for i in range(768)])
    sink = io.BytesIO()
    palette.save(sink, "PNG")
    for data in (png_bytes(labels), sink.getvalue()):
        assert np.array_equal(decode_labels(data, (32, 32, 3), 19), labels)


def test_a_map_of_another_size_is_scaled_without_mixing_classes():
    double = np.kron(MAPS[0], np.ones((2, 2), np.uint8))
    assert np.array_equal(decode_labels(png_bytes(double), (32, 32, 3)), MAPS[0])
    assert np.array_equal(decode_labels(png_bytes(MAPS[0]), (64, 64, 3)), double)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (None, "has no label map"),
        (b"no picture", "cannot be read"),
        (png_bytes(picture_of(MAPS[0])), "is RGB: need a grey or palette PNG"),
        (png_bytes(MAPS[0][:, :16]), "is 16x32, the picture 32x32"),
        (png_bytes(np.full((32, 32), 19, np.uint8)), "has class 19: the configuration has 0 to 18"),
    ],
)
def test_what_is_no_label_map_is_said_in_one_line(data, complaint):
    with pytest.raises(InputError, match=complaint) as error:
        decode_labels(data, (32, 32, 3), 19)
    assert "\n" not in str(error.value)
    assert "0x" not in str(error.value)


def test_labels_are_mirrored_with_their_pictures(tmp_path):
    rows = load(write(tmp_path / "a.parquet", MAPS), steps=4)
    assert np.array_equal(rows["image"][..., 0], PART[rows["label"]] * 10)
    whole = {f"k{i}": labels for i, labels in enumerate(MAPS)}
    pairs = list(zip(rows["key"], rows["label"], strict=True))
    same = [np.array_equal(label, whole[key]) for key, label in pairs]
    mirrored = [
        np.array_equal(exchanged(label[:, ::-1]), whole[key])
        for key, label in zip(rows["key"], rows["label"], strict=True)
    ]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert any(same)
    assert any(mirrored)


def test_in_a_mirror_a_left_eye_is_a_right_one():
    """CelebAMask-HQ's classes: 4 and 5 are the eyes, 6 and 7 the brows, 8 and 9 the ears, others have no side."""
    sides = [0, 1, 2, 3, 5, 4, 7, 6, 9, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18]
    face = np.arange(19, dtype=np.uint8)[None]
    mirrored = mirrored_labels(face, 19)
    assert mirrored.dtype == np.uint8
    assert mirrored[0].tolist() == sides[::-1]
    assert np.array_equal(mirrored_labels(mirrored, 19), face)
    assert np.array_equal(mirrored_labels(face[:, :11], 11), face[:, 10::-1])  # pairs of other sets are unknown


def test_labels_are_cut_and_scaled_with_their_pictures(tmp_path):
    maps = [np.kron(each, np.ones((4, 4), np.uint8)) for each in MAPS]
    rows = load(write(tmp_path / "a.parquet", maps), crop=(32, 16, 96, 80), flip=False, size=16)
    for key, label in zip(rows["key"], rows["label"], strict=True):
        assert np.array_equal(label, MAPS[int(key[1:])][4:20, 8:24])


def test_a_picture_whose_map_is_broken_is_left_out(tmp_path, capsys):
    labels = [png_bytes(each) for each in MAPS]
    labels[2] = None
    rows = load(write(tmp_path / "a.parquet", MAPS, labels))
    assert "k2" not in rows["key"]
    assert "training leaves out k2: has no label map" in capsys.readouterr().out


def test_only_a_stage_that_asks_gets_labels(tmp_path):
    path, config = write(tmp_path / "a.parquet", MAPS), load_preset("tiny")
    files = {"data": path, "validation": path, "output": str(tmp_path / "out")}
    batch = to_batch(make_job(config, "spg-net", **files).plan.load(0, 1))
    assert batch.labels.dtype == torch.int64
    assert batch.labels.shape == (4, 32, 32)
    assert torch.equal(batch.part(1, 2).labels, batch.labels[2:])
    assert torch.equal(((batch.images[:, 0] + 1) * 127.5).round().long(), torch.from_numpy(PART)[batch.labels] * 10)
    assert to_batch(make_job(config, "pconv", **files).plan.load(0, 1)).labels is None


def test_data_without_labels_is_refused_in_one_line(tmp_path, faces_parquet):
    labelled = write(tmp_path / "a.parquet", MAPS)
    for data, validation in ((faces_parquet, labelled), (labelled, faces_parquet)):
        with pytest.raises(InputError, match=r"faces.parquet has no column label: .*docs/data.md") as error:
            make_job(load_preset("tiny"), "spg-net", data=data, validation=validation, output=str(tmp_path / "out"))
        assert "\n" not in str(error.value)


def test_prepared_pictures_keep_their_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "works_here", lambda uri: True)
    labels = [png_bytes(each) for each in MAPS[:4]] + [None, png_bytes(MAPS[0][:, :5])]
    source = write(tmp_path / "a.parquet", MAPS, labels)
    done = prepare(source, str(tmp_path / "small"), crop=(0, 0, 32, 32), size=16)
    assert (done.pictures, done.rejected) == (5, 1)
    rows = pq.read_table(tmp_path / "small" / "shard-00000.parquet").to_pylist()
    for row, whole in zip(rows[:4], MAPS[:4], strict=True):
        assert np.array_equal(decode_labels(row["label"], (16, 16, 3)), crop_to(whole, 16, mix=False))
    assert rows[4]["label"] is None
    prepare(source, str(tmp_path / "same"))
    assert pq.read_table(tmp_path / "same" / "shard-00000.parquet")["label"][0].as_py() == labels[0]
    (rejected,) = pq.read_table(tmp_path / "small" / "rejected.parquet").to_pylist()
    assert rejected["reason"].startswith("its label map is 5x32")


def test_pictures_without_labels_are_prepared_as_ever(tmp_path, monkeypatch, faces_parquet):
    monkeypatch.setattr(module, "works_here", lambda uri: True)
    prepare(faces_parquet, str(tmp_path / "out"), size=16)
    assert pq.read_schema(tmp_path / "out" / "shard-00000.parquet") == module.PREPARED
    assert "labels" not in (tmp_path / "out" / "_prepare" / "job.json").read_text()


def test_labels_move_with_jittered_pictures():
    jitter = JitterConfig(scale=0.2, turn=20, shift=0.1)
    blocks = np.kron(np.random.default_rng(0).integers(0, 2, (4, 8, 8)), np.ones((8, 8), int))
    labels, draws = torch.from_numpy(blocks), torch.rand(4, generator=torch.Generator().manual_seed(0))
    images = (labels[:, None].float() * 2 - 1).expand(4, 3, 64, 64)
    moved, moved_labels = jittered(images, draws, jitter), labels_jittered(labels, draws, jitter)
    assert moved_labels.dtype == labels.dtype
    sure = moved[:, 0].abs() > 0.9
    assert sure.float().mean() > 0.6
    assert torch.equal((moved[:, 0] > 0).long()[sure], moved_labels[sure])
    assert not torch.equal(moved_labels, labels)
    assert labels_jittered(labels, draws, JitterConfig(light=0.2, grey=0.5)) is labels
