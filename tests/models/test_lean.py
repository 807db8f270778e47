"""The fields that differ from the paper: what each does, and that the paper's presets leave them off."""

import pytest
import torch
from torch.nn import functional as F

from faceinpaint.load_config import load_preset
from faceinpaint.models import build
from faceinpaint.models.structure import shrunk
from faceinpaint.models.two_stage import TwoStage
from tests.lean import lean

SIZE = 64


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = lean()
    two_stage = TwoStage(build.build_structure(config), build.build_texture(config.texture), config.match_paste)
    for name, parameter in two_stage.named_parameters():
        if name.endswith("noise.weight"):
            parameter.data.fill_(0.5)
    return two_stage.eval().requires_grad_(False)


def samples():
    images = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    masks = torch.zeros(2, 1, SIZE, SIZE)
    masks[0, :, 9:22, 30:41] = 1
    masks[1, :, 40:, 3:9] = 1
    return images, masks


@pytest.mark.parametrize("preset", ["celebahq256", "celebahq256-native"])
def test_the_papers_presets_are_the_paper(preset):
    config = load_preset(preset)
    assert not config.match_paste
    assert (config.encoder.mask_input, config.encoder.passes) == (False, 1)
    texture, loss = config.texture, config.texture_loss
    assert (texture.strides[0], texture.see_first, texture.critic) == (1, False, "wgan-gp")
    assert (loss.perceptual, loss.adversarial, loss.l1, loss.gradient_penalty) == (10, 1, 100, 10)
    assert (loss.hole, loss.lpips, loss.structure, loss.window) == (0, 0, 0, None)
    stages = config.train.values()
    assert {(stage.tune_structure, stage.tune_generator, *stage.jitter.model_dump().values()) for stage in stages} == {
        (0, False, 0, 0, 0, 0, 0)
    }
    assert (config.holes.aspect, config.holes.scratches, config.holes.large) == (1, 0, 0)


def test_faces256_has_the_papers_attention_grids():
    config = load_preset("faces256")
    grids = {scored: config.image_size // config.texture.strides[scored - 1] for scored, _ in config.texture.attention}
    assert grids == {6: 8, 5: 16, 4: 32}


def test_outside_the_hole_the_output_is_the_input(model):
    images, masks = samples()
    result = model(images, masks)
    outside = (masks == 0).expand_as(images)
    assert torch.equal(result[outside], images[outside])
    assert not torch.equal(result, images)


def test_what_lies_under_the_hole_is_never_seen(model):
    images, masks = samples()
    other = torch.where(masks > 0, torch.rand_like(images), images)
    inside = (masks > 0).expand_as(images)
    assert torch.equal(model(images, masks)[inside], model(other, masks)[inside])


def test_windows_change_nothing_but_rounding(model):
    images, masks = samples()
    torch.testing.assert_close(model(images, masks, 32), model(images, masks), atol=2e-5, rtol=1e-4)


def test_a_pixel_of_the_first_stage_is_the_mean_of_its_valid_pixels():
    images = torch.arange(16.0).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    masks = torch.zeros(1, 1, 4, 4)
    masks[..., 0, 0] = 1
    masks[..., 2:, 2:] = 1
    small, share = shrunk(images, masks, 2)
    torch.testing.assert_close(small[0, 0], torch.tensor([[(1 + 4 + 5) / 3, 4.5], [10.5, 0.0]]))
    assert share[0, 0].tolist() == [[0.25, 0], [0, 1]]


def test_the_first_stage_sees_the_mask(model):
    """A grey hole and a grey face are told apart."""
    images, masks = samples()
    small, share = shrunk(images, masks, 32)
    assert not torch.equal(model.structure(small, share), model.structure(small, torch.zeros_like(share)))


def test_a_second_pass_adds_to_the_first():
    """ReStyle (Alaluf 2021): W+ after n passes is latent_avg plus n offsets, each of the picture before it."""
    torch.manual_seed(0)
    structure = build.build_structure(lean("encoder.passes=2")).eval().requires_grad_(False)
    structure.latent_avg.normal_()
    images, masks = samples()
    small, share = shrunk(images, masks, 32)
    first = structure.latent_avg + structure.encode(torch.cat([small, share, torch.zeros_like(small)], 1))
    second = first + structure.encode(torch.cat([small, share, structure.synthesize(first)], 1))
    torch.testing.assert_close(structure(small, share), structure.synthesize(second))


def test_the_second_stage_adds_to_the_enlarged_first(model):
    """Section 4.1: where the network paints nothing, the matched, enlarged picture is left."""
    images, masks = samples()
    first = model.first(images, masks)
    assert first.whole is not None
    small, share = shrunk(images, masks, 32)
    expected = F.interpolate(model.structure(small, share), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(first.whole, expected)
    still = build.build_texture(lean().texture)
    torch.nn.init.zeros_(still.to_rgb.weight)
    torch.nn.init.zeros_(still.to_rgb.bias)
    assert torch.equal(still(first.pasted, masks, first.whole), first.pasted)
