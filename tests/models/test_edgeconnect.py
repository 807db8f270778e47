"""EdgeConnect: sizes and names as published, what each network sees, and Canny's edges."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import rgb2gray
from skimage.feature import canny

from faceinpaint.errors import InputError
from faceinpaint.models.baselines.canny import canny_edges, grey_of
from faceinpaint.models.baselines.critics import FeatureCritic
from faceinpaint.models.baselines.edgeconnect import EdgeConnect, joined
from faceinpaint.models.baselines.public_names import renamed
from faceinpaint.tensors import to_float

PUBLIC = json.loads(gzip.decompress((Path(__file__).parent / "public_baselines.json.gz").read_bytes()))
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
MASKS = torch.zeros(2, 1, 32, 32)
MASKS[..., 8:20, 6:18] = 1


@pytest.fixture
def network():
    torch.manual_seed(0)
    return EdgeConnect(width=8, blocks=2, sigma=1.0)


@pytest.mark.parametrize(("file", "part"), [("EdgeModel_gen", "edges"), ("InpaintingModel_gen", "completion")])
def test_names_and_shapes_are_those_of_the_authors_files(file, part):
    with torch.device("meta"):
        own = getattr(EdgeConnect(), part).state_dict()
    assert {name: list(value.shape) for name, value in own.items()} == renamed(PUBLIC[f"edgeconnect/{file}"])


def test_paper_sizes():
    with torch.device("meta"):
        model, critic = EdgeConnect(), FeatureCritic(3)
    counts = [sum(p.numel() for p in part.parameters()) for part in (model.edges, model.completion, critic)]
    assert counts == [10_761_089, 10_774_595, 2_763_776]  # counted on the authors' modules


def test_the_authors_files_are_read(tmp_path):
    torch.manual_seed(0)
    paths, states = [], []
    for file in ("EdgeModel_gen", "InpaintingModel_gen"):
        state = {name: torch.randn(shape) for name, shape in PUBLIC[f"edgeconnect/{file}"].items()}
        torch.save({"iteration": 7, "generator": state}, tmp_path / f"{file}.pth")
        paths.append(tmp_path / f"{file}.pth")
        states.append(state)
    model = EdgeConnect.from_public(*paths)
    assert torch.equal(model.completion.middle[7].conv_block[5].bias, states[1]["middle.7.conv_block.5.bias"])
    kernel = model.edges.middle[0].conv_block[1].parametrizations.weight
    assert torch.equal(kernel.original, states[0]["middle.0.conv_block.1.weight_orig"])
    assert torch.equal(kernel[0]._u, states[0]["middle.0.conv_block.1.weight_u"])
    torch.save({"discriminator": {}}, paths[0])
    with pytest.raises(InputError, match="holds no 'generator'"):
        EdgeConnect.from_public(*paths)


def test_spectral_norm_is_the_largest_singular_value():
    """Miyato 2018: in training each forward pass takes one more step of power iteration."""
    torch.manual_seed(0)
    critic = FeatureCritic(1, width=4).train()
    for _ in range(100):
        critic(torch.zeros(1, 1, 32, 32))
    for layer in critic.children():
        assert torch.linalg.matrix_norm(layer[0].weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)


@torch.no_grad()
def test_colours_follow_the_edges(network):
    network.eval()
    known = canny_edges(IMAGES, 1.0)
    drawn = network.draw_edges(IMAGES, MASKS, known)
    assert drawn.shape == (2, 1, 32, 32)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    edges = joined(drawn, known, MASKS)
    assert torch.equal(edges[MASKS == 0], known[MASKS == 0])
    assert torch.equal(edges[MASKS == 1], drawn[MASKS == 1])
    assert not torch.equal(network.complete(IMAGES, MASKS, edges), network.complete(IMAGES, MASKS, 1 - edges))


def test_every_parameter_learns(network):
    network.train().paint(IMAGES, MASKS).square().mean().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]


def test_edges_are_cannys_at_the_stated_sigma():
    random = np.random.default_rng(0)
    pictures = np.kron(random.integers(0, 256, (2, 8, 8, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    found = canny_edges(to_float(pictures), 2.0)
    expected = np.stack([canny(rgb2gray(picture), sigma=2.0) for picture in pictures])
    assert np.array_equal(found[:, 0].numpy(), expected.astype(np.float32))
    assert 0.02 < found.mean() < 0.5
    assert not torch.equal(found, canny_edges(to_float(pictures), 1.0))


def test_grey_is_scikit_images():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    expected = np.stack([rgb2gray(picture) for picture in pictures])
    np.testing.assert_allclose(grey_of(to_float(pictures))[:, 0].numpy(), expected, atol=1e-6)


def test_canny_does_not_look_into_holes():
    masks = torch.zeros(1, 1, 32, 32)
    masks[..., 8:24, 8:24] = 1
    first = IMAGES[:1]
    second = torch.where(masks > 0, -first, first)
    assert torch.equal(canny_edges(first, 1.0, masks), canny_edges(second, 1.0, masks))
    assert not canny_edges(first, 1.0, masks)[masks > 0].any()
