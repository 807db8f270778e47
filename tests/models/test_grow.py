"""A network grown to a larger size starts where the small one was."""

import pytest
import torch

from faceinpaint.errors import InputError
from faceinpaint.models.detector import DamageDetector
from faceinpaint.models.encoder import StyleEncoder
from faceinpaint.models.grow import grow, grow_discriminator, grow_generator
from faceinpaint.models.ops import Blur
from faceinpaint.models.structure import StructureReconstructor, input_channels
from faceinpaint.models.stylegan2 import Discriminator, StyleGAN2Generator

CHANNELS = {4: 16, 8: 16, 16: 16, 32: 12, 64: 12, 128: 8, 256: 6}


def channels(size):
    return {side: width for side, width in CHANNELS.items() if side <= size}


def generator(size):
    return StyleGAN2Generator(size, style_dim=16, mapping_layers=2, channels=channels(size)).eval()


def discriminator(size, inputs=3):
    return Discriminator(size, channels(size), inputs).eval()


def encoder(size, inputs=3):
    n_styles = generator(size).n_styles
    return StyleEncoder(n_styles, 16, (1, 1, 1, 1), (8, 8, 16, 16), 8, input_size=32, channels=inputs)


def randomise(module):
    """Biases and noise weights that are not zero, as after training."""
    for parameter in module.parameters():
        if parameter.dim() <= 1 or parameter.shape[0] == 1:
            torch.nn.init.normal_(parameter, std=0.3)


@torch.no_grad()
@pytest.mark.parametrize("noise", ["const", "none"])
def test_a_generator_grows_from_64_to_128_to_256_px_as_an_exact_upsampling(noise):
    torch.manual_seed(0)
    small = generator(64)
    randomise(small)
    state = small.state_dict()
    z = torch.randn(2, 16)
    for size in (128, 256):
        large = generator(size)
        large.load_state_dict(grow_generator(state, large, "old").state)
        w_plus = torch.randn(2, large.n_styles, 16)
        old = small.synthesize(w_plus[:, : small.n_styles], noise)
        assert torch.equal(large.synthesize(w_plus, noise), large.to_rgbs[-1].upsample(old))
        assert torch.equal(large.map(z), small.map(z))
        small, state = large, large.state_dict()


def test_a_grown_generator_learns_in_its_new_layers():
    torch.manual_seed(0)
    large = generator(32)
    large.load_state_dict(grow_generator(generator(16).state_dict(), large, "old").state)
    optimizer = torch.optim.Adam(large.parameters(), lr=1e-2)
    before = {
        name: value.clone() for name, value in large.named_parameters() if name.startswith(("convs.4", "to_rgbs.2"))
    }
    for _ in range(2):  # through a picture layer of zeros nothing reaches the convolutions in the first step
        optimizer.zero_grad()
        large(torch.randn(2, 16)).square().mean().backward()
        optimizer.step()
    changed = {
        name for name, value in large.named_parameters() if name in before and not torch.equal(value, before[name])
    }
    assert {"convs.4.conv.weight", "to_rgbs.2.conv.weight", "to_rgbs.2.bias"} <= changed


@torch.no_grad()
@pytest.mark.parametrize(("doublings", "inputs"), [(1, 3), (2, 3), (1, 4)])
def test_a_discriminator_judges_the_halved_picture_as_the_small_one_did(doublings, inputs):
    torch.manual_seed(0)
    small, large = discriminator(32, inputs), discriminator(32 * 2**doublings, inputs)
    randomise(small)
    randomise(large)
    grown = grow_discriminator(small.state_dict(), large, "old")
    large.load_state_dict(grown.state)
    coarse = torch.rand(4, inputs, 4, 4) * 2 - 1
    pictures = torch.nn.functional.interpolate(coarse, size=32 * 2**doublings, mode="bicubic")
    halved = pictures
    for _ in range(doublings):
        halved = Blur(pad=(1, 1))(halved)[:, :, ::2, ::2]
    torch.testing.assert_close(large(pictures), small(halved), rtol=1e-4, atol=1e-4)
    assert large(pictures).std() > 1e-3
    assert grown.kept[f"body.{2 + doublings}.conv1.0.weight"] == "body.2.conv1.0.weight"


def test_a_network_of_equal_size_is_itself():
    small = discriminator(16)
    grown = grow_discriminator(small.state_dict(), discriminator(16), "old")
    assert all(torch.equal(value, small.state_dict()[key]) for key, value in grown.state.items())


def test_other_channels_and_larger_networks_are_refused():
    wider = StyleGAN2Generator(16, style_dim=16, mapping_layers=2, channels={4: 16, 8: 16, 16: 20})
    with pytest.raises(InputError, match=r"runs/old: generator\.convs\.\d\..* is \(1, 20, 16, 3, 3\)"):
        grow_generator(wider.state_dict(), generator(32), "runs/old")
    with pytest.raises(InputError, match="cannot shrink"):
        grow_generator(generator(32).state_dict(), generator(16), "runs/old")
    with pytest.raises(InputError, match="do not shrink"):
        grow_discriminator(discriminator(32).state_dict(), discriminator(16), "runs/old")
    narrow = Discriminator(32, {4: 16, 8: 16, 16: 16, 32: 4})
    with pytest.raises(InputError, match="has 4 channels: growing needs 6"):
        grow_discriminator(discriminator(16).state_dict(), narrow, "runs/old")


@torch.no_grad()
def test_a_structure_reconstructor_grows_to_a_larger_generator_on_the_same_pictures():
    torch.manual_seed(0)
    small, large = (StructureReconstructor(generator(size), encoder(size), 32).eval() for size in (32, 64))
    small.latent_avg.normal_()
    grown = grow(small.state_dict(), large, "old")
    large.load_state_dict(grown.state)
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    assert torch.equal(large.encode(pictures)[:, : small.encoder.n_styles], small.encode(pictures))
    assert torch.equal(large.latent_avg[-1], small.latent_avg[-1])
    assert "latent_avg" not in grown.kept
    assert grown.kept["decoder.conv1.conv.weight"] == "decoder.conv1.conv.weight"


@torch.no_grad()
@pytest.mark.parametrize(
    ("before", "after"),
    [((False, 1), (True, 1)), ((False, 1), (True, 2)), ((True, 1), (True, 2)), ((False, 2), (True, 2))],
)
def test_an_encoder_that_gets_to_see_more_ignores_it_at_first(before, after):
    """What each sees: the damaged picture, the mask, the picture so far."""
    small, large = (
        StructureReconstructor(generator(32), encoder(32, input_channels(*seen)), 32, *seen).eval()
        for seen in (before, after)
    )
    damaged, mask, picture = (torch.rand(2, width, 32, 32) for width in (3, 1, 3))
    views = [torch.cat([damaged, *([mask] * m), *([picture] * (p > 1))], 1) for m, p in (before, after)]
    if before == (False, 2):  # the mask would come before the picture that the kernel knows
        with pytest.raises(InputError, match="cannot get the mask later"):
            grow(small.state_dict(), large, "old")
    else:
        large.load_state_dict(grow(small.state_dict(), large, "old").state)
        torch.testing.assert_close(large.encode(views[1]), small.encode(views[0]))


@torch.no_grad()
def test_new_input_channels_are_ignored_at_first():
    torch.manual_seed(0)
    old, new = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(5, 8, 3)
    new.load_state_dict(grow(old.state_dict(), new, "old").state)
    x = torch.randn(1, 5, 6, 6)
    torch.testing.assert_close(new(x), old(x[:, :3]))
    with pytest.raises(InputError, match=r"Conv2d\.weight is"):
        grow(new.state_dict(), torch.nn.Conv2d(3, 8, 3), "old")
    with pytest.raises(InputError, match="no bias there"):
        grow({"weight": old.weight}, new, "old")


@torch.no_grad()
def test_a_detector_gets_a_context_that_changes_nothing_at_first():
    torch.manual_seed(0)
    old, new = DamageDetector((8, 8, 8, 8)).eval(), DamageDetector((8, 8, 8, 8), context=16).eval()
    torch.nn.init.normal_(new.context[-2].weight)  # of a network that has learned, too
    grown = grow(old.state_dict(), new, "old")
    assert set(grown.kept) == set(old.state_dict())  # the optimiser knows nothing of the context
    new.load_state_dict(grown.state)
    images = torch.rand(1, 3, 64, 96) * 2 - 1
    torch.testing.assert_close(new(images), old(images), rtol=0, atol=0)
    with pytest.raises(InputError, match=r"no stem\.1\.0\.weight there"):
        grow({}, new, "old")
