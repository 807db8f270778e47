"""What is computed by a short way is, bit for bit, what the long way gives: each test writes the long way down."""

import cv2
import numpy as np
import pytest

from faceinpaint.data.routing import Patch
from faceinpaint.inference import detail, harmonic
from faceinpaint.inference.guide import guide_from_pixels
from faceinpaint.inference.work import seam_error

RNG = np.random.default_rng(5)


def gathered(residual, invalid, row, column, y, x, patch, guide):
    """Pixel by pixel, in whole arrays, as the formula says."""
    u, v = (patch.matrix[k, 0] * x + patch.matrix[k, 1] * y + patch.matrix[k, 2] for k in (0, 1))
    along, down = ((place + 0.5) / guide.side - 0.5 for place in (u, v))
    index = np.full(guide.grid**2, -1)
    index[guide.cells] = np.arange(len(guide.cells))
    inverse = np.linalg.inv(patch.matrix[:, :2])
    total = np.zeros(len(y), np.float32)
    mean, energy = np.zeros((len(y), 3), np.float32), np.zeros((len(y), 3), np.float32)
    for dv, du in ((0, 0), (0, 1), (1, 0), (1, 1)):
        i, j = np.floor(down).astype(int) + dv, np.floor(along).astype(int) + du
        near = (1 - np.abs(down - i)) * (1 - np.abs(along - j))
        cell = np.clip(i, 0, guide.grid - 1) * guide.grid + np.clip(j, 0, guide.grid - 1)
        entry = index[cell]
        for k in range(guide.sources.shape[1]):
            source = guide.sources[entry, k].astype(int)
            step = np.stack([source % guide.grid - cell % guide.grid, source // guide.grid - cell // guide.grid], 1)
            dx, dy = np.rint(step * guide.side @ inverse.T).astype(int).T
            r, c = row + dy, column + dx
            inside = (r >= 0) & (r < residual.shape[0]) & (c >= 0) & (c < residual.shape[1]) & (entry >= 0)
            r, c = np.where(inside, r, 0), np.where(inside, c, 0)
            weight = (near * guide.weights[entry, k] * (inside & ~invalid[r, c])).astype(np.float32)
            total += weight
            mean += weight[:, None] * residual[r, c]
            energy += weight[:, None] * residual[r, c] ** 2
    total = np.maximum(total, 1e-6)[:, None]
    return mean / total, energy / total


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.6])
@pytest.mark.parametrize("whole", [True, False])
def test_detail_is_gathered_as_the_formula_says(turn, whole, monkeypatch):
    picture = cv2.GaussianBlur(RNG.integers(0, 256, (500, 520, 3), np.uint8), (0, 0), 1.5)
    hole = np.ones((90, 120), np.uint8) if whole else (RNG.random((90, 120)) < 0.7).astype(np.uint8)
    scale = 64 / 350
    turned = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.concatenate([turned, (32 - turned @ [210, 245])[:, None]], 1)
    patch = Patch(matrix, 64, (150, 200, 270, 290), hole, "face")
    damage = np.zeros(picture.shape[:2], np.uint8)
    damage[200:290, 150:270] = hole
    small = np.zeros((64, 64), np.uint8)
    small[24:40, 20:44] = 1
    guide = guide_from_pixels(RNG.integers(0, 256, (64, 64, 3), np.uint8), small, 16)
    fast, long = picture.copy(), picture.copy()
    detail.carry_detail(fast, patch, damage, guide)
    monkeypatch.setattr(detail, "_gathered", gathered)
    detail.carry_detail(long, patch, damage, guide)
    assert np.array_equal(fast, long)
    assert not np.array_equal(fast, picture)


def sweep_by_sweep(values, known):
    height, width = known.shape
    weight = known.astype(np.float32)
    if known.all():
        return values.astype(np.float32)
    if min(height, width) <= harmonic.SMALLEST:
        mean = (values * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1.0)
        return np.where(known[..., None], values, mean).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    shrunk = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    small = cv2.resize(values * weight[..., None], half, interpolation=cv2.INTER_AREA).reshape(*shrunk.shape, -1)
    coarse = sweep_by_sweep(small / np.maximum(shrunk, 1e-6)[..., None], shrunk > 0)
    grown = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    result = np.where(known[..., None], values, grown).astype(np.float32)
    for _ in range(harmonic.SWEEPS):
        mean = cv2.filter2D(result, -1, harmonic.CROSS, borderType=cv2.BORDER_REFLECT).reshape(values.shape)
        result = np.where(known[..., None], values, mean)
    return result


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_what_is_known_is_kept_in_every_sweep(channels, share):
    values = RNG.normal(0, 20, (47, 62, channels)).astype(np.float32)
    known = RNG.random((47, 62)) < share
    assert np.array_equal(harmonic.harmonic(values, known), sweep_by_sweep(values, known))


def seam_of_all_pixels(picture, hole):
    steps = []
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        for y, x in np.argwhere(hole):
            row, column = y + dy, x + dx
            if 0 <= row < hole.shape[0] and 0 <= column < hole.shape[1] and not hole[row, column]:
                steps.append(np.abs(picture[row, column].astype(int) - picture[y, x]).mean())
    return np.mean(steps)


@pytest.mark.parametrize("box", [np.s_[5:20, 8:30], np.s_[0:10, 0:40], np.s_[10:30, 3:4], np.s_[12:30, 0:40]])
def test_a_seam_is_measured_on_all_of_its_pixels(box):
    picture = RNG.integers(0, 256, (30, 40, 3), np.uint8)
    hole = np.zeros((30, 40), np.uint8)
    hole[box] = 1
    hole[2, 2] = 1 - hole[2, 2]
    assert seam_error(picture, hole) == pytest.approx(seam_of_all_pixels(picture, hole), abs=1e-9)
