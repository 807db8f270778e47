"""Both stages trained in one leg against a critic; jitter."""

import pytest
import torch
from torch import nn

from faceinpaint.config import JitterConfig
from faceinpaint.errors import InputError
from faceinpaint.losses.identity import load_identity
from faceinpaint.losses.perceptual import load_perceptual
from faceinpaint.models.structure import shrunk
from faceinpaint.training.jitter import jittered
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.trainee import Batch
from tests.lean import TOGETHER, lean
from tests.train_job import assert_equal

SIZE = 64


def start():
    config = lean(*TOGETHER, "train.texture.batch=2")
    return Run(build_trainee("texture", config, []), config.train["texture"], seed=config.seed)


def batch(step):
    generator = torch.Generator().manual_seed(step)
    images = nn.functional.interpolate(torch.rand(2, 3, 8, 8, generator=generator) * 2 - 1, size=SIZE)
    masks = torch.zeros(2, 1, SIZE, SIZE)
    masks[:, :, 8:30, 10:44] = 1
    return Batch([f"{step}-{i}" for i in range(2)], images, masks, torch.rand(2, generator=generator))


def test_both_stages_and_the_critic_learn_and_go_on_bit_for_bit():
    whole, cut = start(), start()
    weights = lambda name: nn.utils.parameters_to_vector(whole.trainee.modules[name].parameters())  # noqa: E731
    before = {name: weights(name).clone() for name in ("structure", "texture", "critic")}
    measured = [whole.step(batch(step)) for step in range(4)]
    assert {"structure", "texture"} == set(whole.averages)
    assert not [name for name, start_weights in before.items() if torch.equal(weights(name), start_weights)]
    assert ["r1" in each for each in measured] == [True, False, True, False]  # lazy
    for step in range(2):
        cut.step(batch(step))
    resumed = start()
    resumed.load_state_dict(cut.state_dict())
    for step in range(2, 4):
        resumed.step(batch(step))
    assert_equal(whole.state_dict(), resumed.state_dict())


def test_the_first_stages_own_loss_has_all_its_terms_in_the_leg_of_both():
    """Its identity term, too, which needs a network of its own: the leg's loss is the weighted sum."""
    config = lean(*TOGETHER, "structure_loss.identity=0.1", "texture_loss.adversarial=0")
    trainee, sample = build_trainee("texture", config, []), batch(0)
    with torch.no_grad():
        told = trainee.phases[0].losses(sample)["structure"]
        structure = trainee.modules["structure"]
        picture = structure(*shrunk(sample.images, sample.masks, 32))
        small, masks = nn.functional.avg_pool2d(sample.images, 2), nn.functional.avg_pool2d(sample.masks, 2)
        terms = {
            "l2": (picture - small).square().mean(),
            "lpips": load_perceptual("alex")(picture, small).mean(),
            "identity": load_identity(alignment=config.alignment)(picture, small).mean(),
            "hole": ((picture - small).abs() * masks).mean(),
            "valid": ((picture - small).abs() * (1 - masks)).mean(),
        }
    weights = {"l2": 1.0, "lpips": 0.8, "identity": 0.1, "hole": 6.0, "valid": 1.0}
    assert told.item() == pytest.approx(sum(weights[name] * value.item() for name, value in terms.items()), rel=1e-4)


def test_a_critic_may_learn_alone_first():
    config = lean(*TOGETHER, "train.texture.batch=2", "train.texture.critic_first=1")
    run = Run(build_trainee("texture", config, []), config.train["texture"], seed=config.seed)
    assert "hole" not in run.step(batch(0))
    assert {"hole", "logistic_d"} <= run.step(batch(1)).keys()


@pytest.mark.parametrize(("r1", "rate"), [(1, 2 / 3), (0, 1)])
def test_a_critics_rate_is_lowered_for_the_turns_of_a_lazy_term_alone(r1, rate):
    config = lean(*TOGETHER, f"gan.r1={r1}")
    for stage, name in (("texture", "critic"), ("generator", "discriminator")):
        trainee = build_trainee(stage, config, [])
        (critic,) = (phase for phase in trainee.phases if phase.name == name)
        assert critic.optimizer.param_groups[0]["lr"] == pytest.approx(config.train[stage].lr * rate)


def test_a_patch_critic_sees_only_the_window_at_the_hole():
    config = lean(*TOGETHER, "train.texture.batch=2", "texture.critic=patch", "texture.critic_widths=[4, 8]")
    trainee = build_trainee("texture", config, [])
    critic, given = trainee.modules["critic"], []
    critic.register_forward_hook(lambda module, inputs, scores: given.append((*inputs, scores)))
    before = nn.utils.parameters_to_vector(critic.parameters()).clone()
    run, sample = Run(trainee, config.train["texture"], seed=config.seed), batch(0)
    measured = run.step(sample)
    assert "hinge_d" in measured
    assert "adversarial" in measured
    assert not torch.equal(nn.utils.parameters_to_vector(critic.parameters()), before)
    pictures, masks, scores = given[-1]  # real ones and restored ones together, 32 px of 64
    assert pictures.shape == (4, 3, 32, 32)
    assert scores.shape == (4, 1, 8, 8)
    assert masks[0].sum() == 22 * 32  # rows 8-29, and 32 of 34 columns
    outside = masks[:2] == 0
    torch.testing.assert_close((pictures[:2] - pictures[2:]) * outside, torch.zeros(2, 3, 32, 32))


def test_a_feature_critic_judges_pixels_and_the_features_of_lpips():
    config = lean(*TOGETHER, "train.texture.batch=2", "texture.critic=features", "texture.critic_widths=[4, 8]")
    trainee = build_trainee("texture", config, [])
    critic, given = trainee.modules["critic"], []
    critic.register_forward_hook(lambda module, inputs, scores: given.append((*inputs, scores)))
    before = {name: value.clone() for name, value in critic.named_parameters()}
    run = Run(trainee, config.train["texture"], seed=config.seed)
    measured = run.step(batch(0))
    assert {"hinge_d", "adversarial"} <= measured.keys()
    assert not any(torch.equal(value, before[name]) for name, value in critic.named_parameters())
    pictures, _, maps, scores = given[-1]
    assert pictures.shape == (4, 3, 32, 32)
    assert [each.shape[1] for each in maps] == [64, 192, 384, 256, 256]  # AlexNet's slices
    assert [each.shape[1] for each in scores] == [1] * 6
    lpips = trainee.perceptual
    assert not any(parameter.requires_grad for parameter in lpips.parameters())
    assert not any("slice" in key for key in critic.state_dict())  # the frozen network is not the critic's


def test_a_crop_is_painted_alone_with_the_first_stage_of_the_whole_picture():
    config = lean(*TOGETHER, "texture.critic=patch", "texture.critic_widths=[4, 8]", "train.texture.crop=48")
    trainee = build_trainee("texture", config, [])
    texture, structure, given = trainee.modules["texture"], trainee.modules["structure"], {}
    texture.register_forward_pre_hook(lambda module, inputs: given.update(texture=inputs))
    structure.register_forward_pre_hook(lambda module, inputs: given.update(structure=inputs))
    sample = batch(0)
    trainee.phases[0].losses(sample)
    picture, mask, whole, *_ = given["texture"]
    assert given["structure"][0].shape == (2, 3, 32, 32)  # all of it, at its own size
    assert picture.shape == whole.shape == (2, 3, 48, 48)
    rows, columns = slice(0, 48), slice(3, 51)  # the hole, rows 8-29 and columns 10-43, in the middle as far as can be
    torch.testing.assert_close(mask, sample.masks[:, :, rows, columns])
    valid = 1 - mask
    torch.testing.assert_close(picture * valid, sample.images[:, :, rows, columns] * valid)


def test_a_crop_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="crop is a multiple of 16"):
        lean("texture.critic=patch", "texture.critic_widths=[4, 8]", "train.texture.crop=40")


def test_no_jitter_changes_nothing():
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    assert jittered(images, torch.rand(3), JitterConfig()) is images


def test_jitter_depends_on_a_samples_own_draw_alone():
    jitter = JitterConfig(scale=0.1, turn=10, shift=0.1, light=0.3, grey=0.5)
    images, draws = torch.rand(4, 3, 16, 16) * 2 - 1, torch.tensor([0.1, 0.37, 0.62, 0.9])
    together = jittered(images, draws, jitter)
    alone = torch.cat([jittered(images[i : i + 1], draws[i : i + 1], jitter) for i in range(4)])
    torch.testing.assert_close(together, alone)
    assert not torch.allclose(together, images, atol=0.05)
    assert together.abs().max() <= 1


def test_a_share_of_pictures_turns_grey():
    images, draws = torch.rand(400, 3, 4, 4), torch.rand(400, generator=torch.Generator().manual_seed(0))
    grey = jittered(images, draws, JitterConfig(grey=0.25))
    share = (grey.amax(1) - grey.amin(1)).flatten(1).amax(1).eq(0).float().mean()
    assert 0.18 < share < 0.32


def test_a_shift_moves_the_picture():
    images = torch.zeros(64, 3, 32, 32)
    images[:, :, 16, 16] = 1
    moved = jittered(images, torch.rand(64, generator=torch.Generator().manual_seed(0)), JitterConfig(shift=0.25))
    rows = moved[:, 0].flatten(1).argmax(1) // 32
    assert rows.min() >= 7
    assert rows.max() <= 25
    assert len(rows.unique()) > 8
