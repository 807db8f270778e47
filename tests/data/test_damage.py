"""Damage drawn onto pictures: every kind is seen where the truth says, and nothing else is touched."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceinpaint.data.damage.film import FilmShapes, read_film_shapes
from faceinpaint.data.damage.kinds import KINDS
from faceinpaint.data.damage.lookalikes import LOOKALIKES
from faceinpaint.data.damage.paint import (
    CLEAN,
    DAMAGED,
    LEAST_CHANGE,
    UNSURE,
    Damage,
    DamagePainter,
    damaged,
    laid_over,
    painter,
)
from faceinpaint.errors import InputError

SIZE = 96


@pytest.fixture(scope="module")
def picture():
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.stack([90 + x, 100 + y // 2, np.full_like(x, 120)], -1).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_truth_is_where_the_picture_changed(kind, picture):
    seen = 0
    for seed in range(12):
        after, truth = damaged(picture, KINDS[kind](np.random.default_rng(seed), SIZE))
        change = np.abs(after - picture).max(2)
        assert set(np.unique(truth)) <= {CLEAN, DAMAGED, UNSURE}
        assert (change[truth == DAMAGED] >= LEAST_CHANGE).all()
        assert change[truth == CLEAN].max(initial=0) < 8
        seen += bool((truth == DAMAGED).any())
    assert seen >= 6, f"{kind} is nearly never seen"


@pytest.mark.parametrize("drawn", LOOKALIKES, ids=lambda f: f.__name__)
def test_lookalikes_are_drawn(drawn, picture):
    changed = [
        np.abs(laid_over(picture, drawn(np.random.default_rng(seed), SIZE))[0] - picture).max() for seed in range(6)
    ]
    assert np.median(changed) > LEAST_CHANGE


def test_a_tile_is_fixed_by_its_seed_and_half_are_clean(picture):
    painter = DamagePainter(size=64)
    tiles = [painter.tile(np.random.default_rng(seed), picture.astype(np.uint8)) for seed in range(60)]
    again = painter.tile(np.random.default_rng(7), picture.astype(np.uint8))
    assert np.array_equal(tiles[7][0], again[0])
    assert np.array_equal(tiles[7][1], again[1])
    assert tiles[0][0].shape == (64, 64, 3)
    assert tiles[0][0].dtype == np.uint8
    clean = sum(not truth.any() for _, truth in tiles)
    assert 20 <= clean <= 42


def write_shapes(path, kinds, column="mask"):
    rows = []
    for kind in kinds:
        for number in range(5):
            shape = np.zeros((40, 40), np.uint8)
            cv2.line(shape, (5, 5 + number), (30, 30), 255, 2)
            rows.append({"kind": kind, "key": f"{number}", column: cv2.imencode(".png", shape)[1].tobytes()})
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def test_shapes_kept_apart_are_not_trained_on(tmp_path):
    film = read_film_shapes(write_shapes(tmp_path / "s.parquet", ["hair", "lint"]))
    assert {kind: len(shapes) for kind, shapes in film.for_training(("lint",)).shapes.items()} == {"hair": 4}
    assert {kind: len(shapes) for kind, shapes in film.for_measuring(("lint",)).shapes.items()} == {
        "hair": 1,
        "lint": 5,
    }
    with pytest.raises(InputError, match="all kinds"):
        film.for_training(("lint", "hair"))


def test_shapes_the_wrong_way_round_are_turned_and_empty_ones_left_out(tmp_path):
    inverse = np.full((40, 40), 255, np.uint8)
    inverse[:3] = 0  # a band along the border
    cv2.line(inverse, (10, 10), (30, 30), 0, 3)
    rows = [
        {"kind": "scratches", "key": "a", "mask": cv2.imencode(".png", inverse)[1].tobytes()},
        {"kind": "scratches", "key": "b", "mask": cv2.imencode(".png", np.full((9, 9), 255, np.uint8))[1].tobytes()},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "s.parquet")
    (shape,) = read_film_shapes(str(tmp_path / "s.parquet")).shapes["scratches"]
    assert shape.shape[0] < 30
    assert 40 < np.count_nonzero(shape) < 150


def test_wrong_files_of_shapes_are_refused(tmp_path):
    with pytest.raises(InputError, match="no column mask"):
        read_film_shapes(write_shapes(tmp_path / "s.parquet", ["hair"], column="picture"))
    (tmp_path / "t.parquet").write_bytes(b"no")
    for name in ("t.parquet", "absent.parquet"):
        with pytest.raises(InputError, match="no readable Parquet"):
            read_film_shapes(str(tmp_path / name))


def test_film_shapes_are_drawn_by_the_painter(tmp_path, picture):
    shapes = write_shapes(tmp_path / "s.parquet", ["hair"])
    assert isinstance(painter(Damage(size=64, shapes=shapes)).film, FilmShapes)
    layers = painter(Damage(size=64, shapes=shapes)).film.layers(np.random.default_rng(1), 64)
    assert layers[0].coverage.shape == (64, 64)
    assert layers[0].coverage.max() > 0.3
