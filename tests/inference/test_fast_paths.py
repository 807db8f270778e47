"""What is computed by a short way is what the long way gives, bit for bit if nothing else is said: each test writes the
long way down."""

import cv2
import numpy as np
import pytest

from faceinpaint.data.components import labelled
from faceinpaint.data.routing import Patch
from faceinpaint.inference import detail, harmonic
from faceinpaint.inference.guide import guide_from_pixels
from faceinpaint.inference.seam import seam_error
from faceinpaint.photos import view as view_module

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


@pytest.mark.parametrize("blur", [2.0, 3.3, 8.0])
@pytest.mark.parametrize("box", [(0, 0, 300, 301), (7, 12, 208, 150), (100, 100, 109, 140)])
def test_the_residual_of_a_wide_blur_is_the_gaussians_to_a_level(blur, box):
    picture = cv2.GaussianBlur(RNG.integers(0, 256, (301, 300, 3), np.uint8), (0, 0), 1.2)
    fine = picture.astype(np.float32)
    x0, y0, x1, y1 = box
    wanted = (fine - cv2.GaussianBlur(fine, (0, 0), blur))[y0:y1, x0:x1]
    found = detail.residual_of(picture, box, blur)
    assert found.dtype == np.float32
    assert np.abs(wanted).max() > 20
    assert np.abs(found - wanted).max() < 1


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


def filled_by_masks(view, restored, hole, opaque):
    """The hole's samples, chosen among all pixels."""
    inside = hole > 0
    samples, wanted, channels = view.samples.copy(), restored[inside], view.colours.channels
    if view.alpha is not None and not opaque:
        wanted = view_module._off_white(wanted, view.alpha[inside][:, None])
    samples[inside, :channels] = view.colours.written(wanted, samples.dtype)
    for tone in view.tones:
        part = inside[tone.window]
        grey = np.zeros(hole.shape, np.uint8)
        grey[inside] = cv2.cvtColor(wanted[None], cv2.COLOR_RGB2GRAY)[0]
        samples[tone.window][part, :channels] = tone.samples[grey[tone.window][part]]
    if view.alpha is not None and opaque:
        samples[inside, channels] = view.colours.alpha_top
    return samples


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("kind", ["colour", "half grey", "sepia", "alpha", "deep"])
def test_a_hole_is_filled_by_its_places_as_by_masks(kind, opaque):
    picture = cv2.GaussianBlur(RNG.integers(0, 256, (400, 700, 3), np.uint8), (0, 0), 2)
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
    if kind == "half grey":
        picture[:, :350] = picture[:, :350, :1]
    if kind == "sepia":
        picture = (picture[..., :1] * np.array([1, 0.85, 0.65])).astype(np.uint8)
    if kind == "alpha":
        picture = np.dstack([picture, RNG.integers(0, 256, picture.shape[:2], np.uint8)])
    if kind == "deep":
        picture = picture.astype(np.uint16) * 16
    hole = np.zeros(picture.shape[:2], np.uint8)
    hole[50:54, 90:96] = hole[200:230, 150:190] = hole[300:303, 600:650] = hole[-1, -1] = 1
    view = view_module.view_of(picture, "RGBA" if kind == "alpha" else "RGB", None, hole)
    assert len(view.tones) == {"half grey": 2, "sepia": 1}.get(kind, 0)
    restored = RNG.integers(0, 256, (*hole.shape, 3), np.uint8)
    found = view.filled(restored, hole, opaque)
    assert np.array_equal(found, filled_by_masks(view, restored, hole, opaque))
    assert not np.array_equal(found, picture)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 1.0])
def test_parts_are_labelled_as_by_the_default_method(share):
    for shape in ((1, 1), (1, 40), (61, 1), (120, 130)):
        mask = (RNG.random(shape) < share).astype(np.uint8)
        for found, wanted in zip(labelled(mask), cv2.connectedComponentsWithStats(mask, connectivity=8), strict=True):
            assert np.array_equal(found, wanted, equal_nan=np.asarray(wanted).dtype.kind == "f")
