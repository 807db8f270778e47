"""Latent optimisation: its weights by their formula, and what it finds for a face that the generator made."""

import numpy as np
import pytest
import torch

from faceinpaint.models.baselines import latent_optimisation
from faceinpaint.models.baselines.latent_optimisation import LatentOptimisation, blend, context_weights
from faceinpaint.models.stylegan2 import StyleGAN2Generator

SIZE = 32


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    channels = {4: 16, 8: 16, 16: 8, 32: 8}
    return StyleGAN2Generator(SIZE, 16, 2, channels).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def face(generator):
    """A picture of a latent that is no mean, with a hole."""
    latent = generator.map(torch.randn(2, 16, generator=torch.Generator().manual_seed(3)))
    images = generator.synthesize(latent[:, None].repeat(1, generator.n_styles, 1))
    masks = torch.zeros(2, 1, SIZE, SIZE)
    masks[:, :, 8:20, 10:24] = 1
    return images, masks


def test_context_weights_are_the_share_of_hole_nearby():
    holes = torch.zeros(1, 1, 40, 40)
    holes[..., 16:20, 16:20] = 1
    weights = context_weights(holes)[0, 0]
    assert weights[18, 12].item() == pytest.approx(4 * 4 / 225)  # 15 x 15 around it: rows 11-25, columns 5-19
    assert weights[18, 10].item() == pytest.approx(4 * 2 / 225)
    assert weights[18, 8].item() == 0
    assert weights[17, 17].item() == 0


def test_the_search_comes_nearer_to_a_face_of_the_generator_than_the_mean_face(generator, face):
    images, masks = face
    searches = [LatentOptimisation(generator, steps) for steps in (0, 100)]
    off = [((search.find_faces(images, masks) - images).abs() * masks).sum().item() for search in searches]
    assert off[1] < 0.5 * off[0]


def test_it_reads_no_pixel_of_the_hole_and_no_other_picture(generator, face):
    images, masks = face
    search = LatentOptimisation(generator, 5)
    with torch.inference_mode():  # as evaluation calls it
        both = search(images, masks)
        blank = search(torch.where(masks > 0, 0.7, images), masks)
        alone = search(images[1:], masks[1:])
    assert torch.equal(both, blank)
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=0)
    assert torch.equal(both * (1 - masks), images * (1 - masks))


def test_a_larger_picture_is_searched_at_the_generators_size(generator, face):
    images, masks = (torch.nn.functional.interpolate(each, scale_factor=2) for each in face)
    restored = LatentOptimisation(generator, 2)(images, masks)
    assert restored.shape == images.shape
    assert torch.equal(restored * (1 - masks), images * (1 - masks))


def test_a_stronger_prior_keeps_the_face_nearer_to_the_mean(generator, face, monkeypatch):
    mean = LatentOptimisation(generator, 0).find_faces(*face)
    far = []
    for prior in (0.0, 1000.0):
        monkeypatch.setattr(latent_optimisation, "PRIOR", prior)
        far.append((LatentOptimisation(generator, 30).find_faces(*face) - mean).square().mean().item())
    assert far[1] < 0.5 * far[0]


def test_blending_keeps_the_faces_slopes_and_the_pictures_level():
    image = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (3, 12, 12)).astype(np.float32))
    mask = torch.zeros(1, 12, 12)
    mask[:, 3:9, 4:8] = 1
    torch.testing.assert_close(blend(image + 0.3, image, mask), image, atol=1e-5, rtol=0)
