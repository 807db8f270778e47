"""Working in windows around the holes gives what working on the whole picture gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from faceinpaint.load_config import load_preset
from faceinpaint.models import build
from faceinpaint.models.two_stage import TwoStage, window_side
from faceinpaint.models.window import Windows

SIZE = 64
COORDINATE = st.integers(0, SIZE - 1)


@pytest.fixture(scope="module")
def model() -> TwoStage:
    """celeba64's networks with random weights and noise that is seen."""
    torch.manual_seed(0)
    config = load_preset("celeba64")
    two_stage = (
        TwoStage(build.build_structure(config), build.build_texture(config.texture)).eval().requires_grad_(False)
    )
    for name, parameter in two_stage.named_parameters():
        if name.endswith("noise.weight"):
            parameter.fill_(0.5)
    return two_stage


def square_holes(*boxes: tuple[int, int, int, int]) -> Tensor:
    masks = torch.zeros(len(boxes), 1, SIZE, SIZE)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[:, top:bottom, left:right] = 1
    return masks


@pytest.mark.slow
@given(tops=st.lists(st.tuples(COORDINATE, COORDINATE), min_size=2, max_size=2), side=st.integers(1, SIZE))
@settings(max_examples=25, deadline=None)
def test_windows_change_nothing_but_rounding(model: TwoStage, tops: list[tuple[int, int]], side: int) -> None:
    masks = square_holes(*((top, left, top + side, left + side) for top, left in tops))
    images = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    window = window_side(masks[:, 0].numpy().astype(np.uint8))
    torch.testing.assert_close(model(images, masks, window), model(images, masks), atol=2e-5, rtol=1e-4)


def test_windows_reach_further_where_upsampling_looks_at_the_next_pixel() -> None:
    torch.manual_seed(0)
    recipe = load_preset("celeba64", ["texture.upsampling=bilinear", "texture.noise=true"]).texture
    texture = build.build_texture(recipe).eval().requires_grad_(False)
    model = TwoStage(None, texture)
    images = torch.rand(4, 3, SIZE, SIZE) * 2 - 1
    for top, left in ((0, 0), (19, 26), (31, 7), (47, 45)):
        masks = square_holes(*[(top, left, top + 16, left + 16)] * 4)
        torch.testing.assert_close(model(images, masks, 16), model(images, masks), atol=2e-5, rtol=1e-4)


def test_a_generator_larger_than_the_picture_makes_its_windows_alike() -> None:
    torch.manual_seed(0)
    narrow = "{4: 8, 8: 8, 16: 8, 32: 8, 64: 8, 128: 8}"
    changes = ["generator.size=128", f"generator.channels={narrow}", "generator.discriminator_channels=null"]
    config = load_preset("celeba64", changes)
    structure = build.build_structure(config).eval().requires_grad_(False)
    images = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    windows = Windows(torch.tensor([[0, 48], [21, 13]]), 16, SIZE)
    masks = torch.zeros(2, 1, SIZE, SIZE)
    torch.testing.assert_close(
        structure(images, masks, windows), windows.cut(structure(images, masks)), atol=2e-5, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("box", "side"), [((0, 0, 1, 1), 16), ((0, 0, 16, 3), 16), ((5, 5, 22, 6), 32), ((0, 0, 64, 1), 64)]
)
def test_a_window_covers_the_hole(box: tuple[int, int, int, int], side: int) -> None:
    masks = square_holes(box)
    assert window_side(masks[:, 0].numpy().astype(np.uint8)) == side
    windows = Windows.around(masks, side)
    pasted = windows.paste(torch.ones(1, 1, side, side), torch.zeros(1, 1, SIZE, SIZE))
    assert bool((pasted >= masks).all())


def test_no_hole_needs_the_smallest_window() -> None:
    assert window_side(np.zeros((2, SIZE, SIZE), np.uint8)) == SIZE // 4


def test_cutting_and_pasting_are_inverse() -> None:
    whole = torch.rand(2, 3, SIZE, SIZE)
    windows = Windows(torch.tensor([[3, 40], [48, 0]]), 16, SIZE)
    assert torch.equal(windows.paste(windows.cut(whole), whole), whole)
    inner = Windows(windows.corner + 2, 8, SIZE)
    assert torch.equal(inner.cut(windows.cut(whole), windows), inner.cut(whole))
