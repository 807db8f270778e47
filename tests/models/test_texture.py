"""Stage 2 against the paper's equations, written out pixel by pixel and patch by patch."""

import math

import pytest
import torch
from torch.nn import functional as F

from faceinpaint.load_config import load_preset
from faceinpaint.models import build
from faceinpaint.models.attention import attention_scores, from_patches, hole_patches, to_patches, transfer
from faceinpaint.models.gated_conv import GatedConv
from faceinpaint.models.grow import grow
from faceinpaint.models.state_dict import load_exactly, unfilled
from faceinpaint.models.texture import NOISE_SIDE, TextureGenerator
from faceinpaint.models.two_stage import TwoStage


def test_gated_convolution():
    """Section 4.3: O = sigmoid(conv(W_g, I)) * ELU(conv(W_f, I))."""
    torch.manual_seed(0)
    layer = GatedConv(3, 5, stride=2)
    x = torch.randn(2, 3, 8, 8)
    w_f, w_g = layer.conv.weight.chunk(2)
    b_f, b_g = layer.conv.bias.chunk(2)
    gate = 1 / (1 + torch.exp(-F.conv2d(x, w_g, b_g, 2, 1)))
    feature = F.conv2d(x, w_f, b_f, 2, 1)
    elu = torch.where(feature > 0, feature, torch.exp(feature) - 1)
    torch.testing.assert_close(layer(x), gate * elu)


def patches_of(feature, side):
    """(C, h, w) -> list of flat patches in rows."""
    _, height, width = feature.shape
    return [
        feature[:, y : y + side, x : x + side].reshape(-1)
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def slow_attention(deep, deep_side, shallow, shallow_side, mask, cell, temperature):
    """Section 4.2 for one sample, with Python loops: the filled shallow map's patches."""
    holes = [bool(patch.sum() > 0) for patch in patches_of(mask, cell)]
    p, low = patches_of(deep, deep_side), patches_of(shallow, shallow_side)
    context = [i for i, hole in enumerate(holes) if not hole]
    filled = []
    for j, hole in enumerate(holes):
        if not hole or not context:
            filled.append(low[j])
            continue
        cosine = [float(p[i] @ p[j] / (p[i].norm() * p[j].norm())) for i in context]
        weights = [math.exp(c / temperature) for c in cosine]
        filled.append(sum(w / sum(weights) * low[i] for w, i in zip(weights, context, strict=True)))
    return torch.stack(filled)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_attention_is_computed_deep_and_transferred_to_the_shallow_level(temperature):
    torch.manual_seed(1)
    deep, shallow = torch.randn(3, 6, 4, 4), torch.randn(3, 2, 16, 16)  # strides 8 and 2 of a 32 px picture
    mask = torch.zeros(3, 1, 32, 32)
    mask[0, :, 5:12, 9:20] = 1
    mask[1, :, :1, :1] = 1  # one pixel makes a hole patch
    mask[2] = 1  # no context at all
    holes = hole_patches(mask, 8)
    filled = transfer(shallow, holes, attention_scores(deep, holes, temperature))
    for n in range(3):
        expected = slow_attention(deep[n], 1, shallow[n], 4, mask[n], 8, temperature)
        torch.testing.assert_close(torch.stack(patches_of(filled[n], 4)), expected)
    assert torch.equal(filled[2], shallow[2])
    context = F.interpolate(1 - holes.view(3, 1, 4, 4).float(), size=16)
    assert torch.equal(filled * context, shallow * context)


def test_patches_come_back_in_place():
    x = torch.randn(2, 3, 8, 12)
    assert torch.equal(from_patches(to_patches(x, 6), x.shape), x)


def test_scores_are_weights_over_the_context():
    torch.manual_seed(2)
    holes = torch.rand(2, 16) < 0.4
    scores = attention_scores(torch.randn(2, 5, 4, 4), holes)
    torch.testing.assert_close(scores.sum(2), torch.ones(2, 16))
    assert not scores.masked_select(holes[:, None, :].expand_as(scores)).any()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = load_preset("tiny")
    return TwoStage(build.build_structure(config), build.build_texture(config.texture)).eval()


@pytest.mark.parametrize("stages", ["both", "structure", "texture"])
def test_outside_the_hole_the_output_is_the_input(model, stages):
    torch.manual_seed(3)
    part = TwoStage(
        model.structure if stages != "texture" else None, model.texture if stages != "structure" else None
    ).eval()
    images, masks = torch.rand(3, 3, 32, 32) * 2 - 1, (torch.rand(3, 1, 32, 32) < 0.3).float()
    outside = (masks == 0).expand_as(images)
    with torch.no_grad():
        for autocast in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                result = part(images, masks)
            assert result.dtype == images.dtype
            assert torch.equal(result[outside], images[outside])
            assert not torch.equal(result, images)


def test_what_lies_under_the_hole_is_never_seen(model):
    torch.manual_seed(4)
    images, masks = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    masks[..., 8:20, 4:16] = 1
    other = torch.where(masks > 0, torch.rand_like(images), images)
    with torch.no_grad():
        inside = (masks > 0).expand_as(images)
        assert torch.equal(model(images, masks)[inside], model(other, masks)[inside])


def test_every_parameter_of_the_texture_generator_learns(model):
    images, masks = torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32)
    masks[..., 8:20, 4:16] = 1
    model.texture.train()(images, masks).square().mean().backward()
    still = [name for name, p in model.texture.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


@pytest.mark.parametrize("stage", ["texture", "variant-1", "variant-2"])
def test_variants_are_configurations(stage):
    recipe = load_preset("celebahq256").texture_for(stage)
    assert recipe.structure == (stage != "variant-1")
    scored = {6, 5, 4} if stage == "texture" else {6}
    assert {a for a, _ in recipe.attention} == scored
    assert {b for _, b in recipe.attention} == {1, 2, 3}


def noisy(**changes: bool) -> TextureGenerator:
    torch.manual_seed(0)
    return TextureGenerator([4] * 6, [1, 2, 4, 8, 8, 16], noise=True, **changes)


def test_noise_is_drawn_anew_in_training_and_is_the_same_otherwise():
    texture, picture, mask = noisy(), torch.rand(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    assert not torch.equal(texture(picture, mask), texture(picture, mask))
    texture.eval()
    assert torch.equal(texture(picture, mask), texture(picture, mask))
    assert torch.equal(texture(picture[:1], mask[:1]), noisy().eval()(picture[:1], mask[:1]))  # nothing of it is stored
    assert not any("noise" in key for key in texture.state_dict())


def test_a_grown_texture_generator_ignores_its_noise_at_first():
    torch.manual_seed(0)
    old = TextureGenerator([4] * 6, [1, 2, 4, 8, 8, 16])
    texture, picture, mask = noisy(), torch.rand(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    texture.load_state_dict(grow(old.state_dict(), texture, "old").state)
    torch.testing.assert_close(texture(picture, mask), old(picture, mask))
    texture(picture, mask).square().sum().backward()
    assert all(layer.conv.weight.grad[:, -1].abs().sum() > 0 for layer in texture.decoder)  # and learns from it


def test_noise_has_memory_in_a_network_that_is_filled_from_a_file():
    trained, picture, mask = noisy().eval(), torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    with unfilled():
        loaded = noisy().eval()
    load_exactly(loaded, trained.state_dict(), "texture")
    assert torch.equal(loaded(picture, mask), trained(picture, mask))


def test_noise_covers_maps_larger_than_what_is_stored():
    texture = noisy().eval()
    side = 2 * NOISE_SIDE
    (noise,) = texture._noise(torch.zeros(1, 4, side, side), 1)
    assert noise.shape == (1, 1, side, side)
    assert torch.equal(noise[..., :NOISE_SIDE, :NOISE_SIDE], noise[..., NOISE_SIDE:, NOISE_SIDE:])
