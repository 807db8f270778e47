"""StructureFlow: sizes and names as published, Gaussian sampling by loops, smooth structure by an exact solver."""

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve
from skimage import data

from faceinpaint.errors import InputError
from faceinpaint.models.baselines.critics import ScaledResidualCritic
from faceinpaint.models.baselines.gaussian_sampling import gaussian_sample
from faceinpaint.models.baselines.public_names import renamed
from faceinpaint.models.baselines.smooth import _links, lines_solved, relative_total_variation
from faceinpaint.models.baselines.structureflow import StructureFlow

PUBLIC = json.loads(gzip.decompress((Path(__file__).parent / "public_baselines.json.gz").read_bytes()))
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
MASKS = torch.zeros(2, 1, 64, 64)
MASKS[..., 16:40, 12:36] = 1


@pytest.fixture
def network():
    torch.manual_seed(0)
    return StructureFlow(width=4, structure_blocks=1, texture_blocks=1, scale=1.0)


@pytest.mark.parametrize(("file", "part"), [("s_gen", "structure"), ("f_gen", "texture")])
def test_names_and_shapes_are_those_of_the_authors_files(file, part):
    with torch.device("meta"):
        own = getattr(StructureFlow(), part).state_dict()
    assert {name: list(value.shape) for name, value in own.items()} == renamed(PUBLIC[f"structureflow/{file}"])


def test_paper_sizes():
    with torch.device("meta"):
        model, critic = StructureFlow(), ScaledResidualCritic()
    counts = [sum(p.numel() for p in part.parameters()) for part in (model.structure, model.texture, critic)]
    assert counts == [36_057_411, 56_473_475, 1_196_544]  # counted on the authors' modules


def test_the_authors_files_are_read(tmp_path):
    torch.manual_seed(0)
    paths, states = [], []
    for file in ("s_gen", "f_gen"):
        state = {name: torch.randn(shape) for name, shape in PUBLIC[f"structureflow/{file}"].items()}
        torch.save(state, tmp_path / f"10_net_{file}.pth")
        paths.append(tmp_path / f"10_net_{file}.pth")
        states.append(state)
    model = StructureFlow.from_public(*paths)
    assert torch.equal(
        model.texture.flow_column.location[1].conv.weight, states[1]["flow_column.location.1.conv.weight"]
    )
    kernel = model.structure.input_layer.conv.parametrizations.weight
    assert torch.equal(kernel.original, states[0]["input_layer.conv.weight_orig"])
    with pytest.raises(InputError, match="does not fit"):
        StructureFlow.from_public(*paths[::-1])


@torch.no_grad()
def test_shapes_and_the_flow_at_a_quarter(network):
    smooth = relative_total_variation(IMAGES, scale=1.0)
    structure = network.reconstruct(IMAGES, MASKS, smooth)
    picture, flow = network.add_texture(IMAGES, MASKS, structure)
    assert structure.shape == picture.shape == IMAGES.shape
    assert flow.shape == (2, 2, 16, 16)
    assert max(structure.abs().max(), picture.abs().max()) <= 1
    small, small_masks = IMAGES[..., :32, :32], MASKS[..., :32, :32]
    assert network(small, small_masks).shape == small.shape


def test_every_parameter_learns(network):
    network.train().paint(IMAGES, MASKS).square().mean().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]


def slow_sample(features, flow, window, sigma):
    """Ren 2019, section 3.2, one value of the window at a time."""
    channels, height, width = features.shape
    out = torch.zeros(channels, *flow.shape[1:])
    for row in range(flow.shape[1]):
        for column in range(flow.shape[2]):
            x, y = column + flow[0, row, column].item(), row + flow[1, row, column].item()
            total = 0.0
            for j in range(math.floor(y) + 1 - window // 2, math.floor(y) + 1 + window // 2):
                for i in range(math.floor(x) + 1 - window // 2, math.floor(x) + 1 + window // 2):
                    weight = math.exp(-((x - i) ** 2 + (y - j) ** 2) / (2 * sigma**2))
                    value = features[:, min(max(j, 0), height - 1), min(max(i, 0), width - 1)]
                    out[:, row, column] += weight * value
                    total += weight
            out[:, row, column] /= total
    return out


@pytest.mark.parametrize(("window", "sigma"), [(4, 2.0), (16, 4.0)])
def test_gaussian_sampling_is_that_of_loops(window, sigma):
    torch.manual_seed(0)
    features, flow = torch.randn(2, 3, 7, 9), torch.randn(2, 2, 5, 6) * 6
    expected = torch.stack([slow_sample(*pair, window, sigma) for pair in zip(features, flow, strict=True)])
    torch.testing.assert_close(gaussian_sample(features, flow, window, sigma), expected, rtol=1e-4, atol=1e-5)


def test_the_flow_learns_by_the_slope_of_what_it_samples():
    """Central differences: the gradient in the flow, and that in the features."""
    torch.manual_seed(0)
    features, flow = torch.randn(1, 2, 6, 6), torch.randn(1, 2, 6, 6)
    flow = flow.floor() + flow.remainder(1) * 0.8 + 0.1  # away from whole cells, where the window jumps
    weights = torch.randn(1, 2, 6, 6)
    loss = lambda f, w: (gaussian_sample(f, w, 4, 2.0) * weights).sum()  # noqa: E731
    for which in (0, 1):
        inputs = [features.clone(), flow.clone()]
        inputs[which].requires_grad_()
        (gradient,) = torch.autograd.grad(loss(*inputs), inputs[which])
        step = 1e-2 * gradient / gradient.norm()
        pair = [[each.detach() for each in inputs] for _ in range(2)]
        pair[0][which], pair[1][which] = pair[0][which] + step, pair[1][which] - step
        slope = (loss(*pair[0]) - loss(*pair[1])) / 2e-2
        assert slope.item() == pytest.approx(gradient.norm().item(), rel=1e-2)


def test_lines_are_solved_exactly():
    random = np.random.default_rng(0)
    values = random.random((3, 2, 4, 5), np.float32)
    links = random.random((2, 4, 5), np.float32) * 50
    links[..., -1] = 0
    found = lines_solved(values, links)
    for picture in range(2):
        for line in range(4):
            held = links[picture, line, :-1]
            system = np.eye(5)
            for i, link in enumerate(held):
                system[i : i + 2, i : i + 2] += link * np.array([[1, -1], [-1, 1]])
            expected = np.linalg.solve(system, values[:, picture, line].T)
            np.testing.assert_allclose(found[:, picture, line].T, expected, atol=1e-5)


def stripes():
    """A dark and a bright half, each with a texture of single pixels: (1, 3, 64, 64)."""
    picture = torch.full((64, 64), -0.5)
    picture[:, 32:] = 0.5
    return (picture + 0.2 * (torch.arange(64) % 2 * 2 - 1))[None, None].expand(1, 3, 64, 64)


def test_texture_goes_and_the_edge_stays():
    smooth = relative_total_variation(stripes())[0, 0]
    assert smooth[:, :31].std() < 0.02
    assert smooth[:, 33:].std() < 0.02
    assert smooth[:, 33:].mean() - smooth[:, :31].mean() > 0.9


def test_smooth_pictures_do_not_depend_on_holes_or_on_their_batch():
    other = torch.where(MASKS > 0, -IMAGES, IMAGES)
    outside = (MASKS == 0).expand_as(IMAGES)
    smooth = relative_total_variation(IMAGES, MASKS)
    assert torch.equal(smooth[outside], relative_total_variation(other, MASKS)[outside])
    assert (smooth - IMAGES)[outside].abs().mean() > 0.05
    torch.testing.assert_close(
        relative_total_variation(IMAGES[:1]), relative_total_variation(IMAGES)[:1], rtol=0, atol=1e-3
    )


def exactly_smooth(picture, strength, scale, rounds):
    """Xu 2012, section 3.2, for one picture (3, H, W) in [0, 1]: each round's sparse system solved directly."""
    height, width = picture.shape[1:]
    numbers = np.arange(height * width).reshape(height, width)
    pairs = [(numbers[:, :-1], numbers[:, 1:]), (numbers[:-1], numbers[1:])]
    smooth = picture
    for number in range(rounds):
        links = [
            each[0, 0].numpy().astype(float)
            for each in _links(smooth[None], torch.ones(1, 1, height, width), max(scale / 2**number, 0.5), 0.001)
        ]
        system = sparse.identity(height * width, format="csc")
        for (a, b), link in zip(pairs, (links[0][:, :-1], links[1][:-1]), strict=True):
            values, i, j = strength / 2 * link.ravel(), a.ravel(), b.ravel()
            ends = (np.concatenate([i, j, i, j]), np.concatenate([i, j, j, i]))
            system = system + sparse.csc_matrix(
                (np.concatenate([values, values, -values, -values]), ends), system.shape
            )
        solved = spsolve(system, picture.flatten(1).numpy().T.astype(float))
        smooth = torch.from_numpy(solved.T.reshape(picture.shape)).float()
    return smooth


def test_line_by_line_is_near_the_exact_solution():
    """Nearer by half than the picture itself is."""
    face = torch.from_numpy(data.astronaut()[0:192:4, 128:320:4].copy()).permute(2, 0, 1) / 255
    expected = exactly_smooth(face, 0.015, 1.0, 3)
    found = (relative_total_variation(face[None] * 2 - 1, scale=1.0)[0] + 1) / 2
    assert (found - expected).abs().mean() < 0.5 * (face - expected).abs().mean()


def test_flat_pictures_stay():
    flat = torch.full((1, 3, 16, 16), 0.25)
    torch.testing.assert_close(relative_total_variation(flat), flat, rtol=0, atol=1e-4)
