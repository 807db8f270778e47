"""Presets and the errors of wrong fields."""

import pytest

from faceinpaint.config import GeneratorConfig
from faceinpaint.errors import InputError
from faceinpaint.load_config import load_preset, parse_yaml
from faceinpaint.stages import STAGES


@pytest.mark.parametrize("name", ["tiny", "celeba64", "methods64", "faces256", "celebahq256", "celebahq256-native"])
def test_presets_parse_and_survive_yaml(name):
    config = load_preset(name)
    assert config.preset == name
    assert parse_yaml(config.to_yaml(), "saved") == config
    assert set(config.train) == set(STAGES)


def test_every_method_of_the_family_gets_as_many_pictures():
    config = load_preset("methods64")
    stages = set(STAGES) - {"generator", "detector"}
    assert {config.train[stage].steps * config.train[stage].batch for stage in stages} == {10_240}


def test_styles_follow_the_generator_size():
    assert {size: GeneratorConfig(size=size).n_styles for size in (32, 64, 256, 1024)} == {
        32: 8,
        64: 10,
        256: 14,
        1024: 18,
    }


def test_overrides_touch_one_stage_only():
    config = load_preset("tiny", ["train.texture.lr=0.5"])
    assert config.train["texture"].lr == 0.5
    assert config.train["variant-1"].lr == load_preset("tiny").train["variant-1"].lr


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.texture.lr=fast", r"train\.texture\.lr = 'fast': .*number"),
        ("train.texture.lr=-1", r"train\.texture\.lr = -1: .*greater than 0"),
        ("colour=red", r"colour = 'red': no such field; choose one of preset, image_size"),
        ("train.texture.speed=1", r"train\.texture\.speed = 1: no such field; choose one of steps"),
        ("precision=int8", r"precision = 'int8': .*'auto', 'fp32', 'bf16' or 'fp16'"),
        ("texture.attention=[[6, 4]]", r"fills go to 1-3"),
        ("texture.strides=[1, 2, 4, 4, 8, 3]", r"keep or double"),
        ("texture.patch=3", r"image_size 32 is not a multiple of 12"),
        ("train.detector.jitter.turn=5", r"detector\.jitter may change light and grey alone"),
        ("image_size=16", r"image_size = 16: Input should be 32, 64"),
        ("generator.size=16", r"generator\.size = 16: Input should be 32, 64"),
        ("precision", r"write path\.to\.field=value"),
    ],
)
def test_wrong_overrides_name_field_value_and_what_is_allowed(override, told):
    with pytest.raises(InputError, match=told):
        load_preset("tiny", [override])


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(InputError, match=r"unknown preset 'huge': choose one of celeba64, .*tiny"):
        load_preset("huge")


def test_a_config_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_preset("tiny").seed = 3
