"""The table of stages agrees with its types, the configuration and the networks."""

from typing import get_args

import numpy as np
import pytest
import torch
import yaml

from faceinpaint.config import Config, StageTraining
from faceinpaint.config_part import StagePart
from faceinpaint.evaluation.tables import NAMES
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.load_config import load_preset, parse_yaml
from faceinpaint.models.build import NETWORKS, build_network
from faceinpaint.models.weights import save_config, save_weights
from faceinpaint.stages import METHODS, STAGES, Compared, Method, Stage, stage_after, stages_up_to
from faceinpaint.tensors import mask_to_float, to_float, to_uint8
from faceinpaint.training.driver import _without_other_methods
from faceinpaint.training.stages.build import TRAINEES


def test_the_table_has_every_stage_and_method():
    assert tuple(STAGES) == get_args(Stage)
    assert tuple(METHODS) == get_args(Method)
    assert METHODS["two-stage"] == "texture"
    assert set(NETWORKS) == set(TRAINEES) == set(STAGES)


def test_every_method_has_a_name_of_its_own_in_tables():
    names = [NAMES[method] for method in METHODS]
    assert all(names)
    assert len(set(names)) == len(names)


def test_stages_are_trained_in_the_order_in_which_they_build_on_each_other():
    assert stages_up_to("texture") == ("generator", "structure", "texture")
    assert stages_up_to("variant-1") == ("variant-1",)
    assert [stage_after(stage) for stage in ("generator", "structure", "texture")] == ["structure", "texture", None]


@pytest.mark.parametrize("stage", STAGES)
def test_what_shapes_a_network_is_in_the_configuration(stage):
    assert set(STAGES[stage].shaped_by) <= set(Config.model_fields)
    assert build_network(load_preset("tiny"), stage).state_dict()


@pytest.mark.parametrize("stage", get_args(Compared))
def test_a_compared_method_changes_the_hole_alone(stage):
    """Of pictures and holes alone, which are equal outside the hole: what lies in the hole does not matter."""
    config = load_preset("tiny")
    torch.manual_seed(0)
    network = build_network(config, stage).eval()
    images, masks = torch.rand(2, 3, config.image_size, config.image_size) * 2 - 1, torch.zeros(2, 1, 32, 32)
    masks[:, :, 8:20, 10:24] = 1
    with torch.no_grad():
        restored, again = network(images, masks), network(images * (1 - masks) + 0.3 * masks, masks)
    assert restored.shape == images.shape
    assert torch.equal(restored * (1 - masks), images * (1 - masks))
    assert torch.equal(restored, again)
    assert (restored - images).abs().max() > 0.1


@pytest.mark.parametrize("stage", get_args(Compared))
def test_a_compared_method_is_loaded_as_it_was_saved(stage, tmp_path):
    config = load_preset("tiny")
    torch.manual_seed(0)
    network = build_network(config, stage).eval()
    save_config(str(tmp_path), config)
    save_weights(str(tmp_path), stage, network)
    inpainter = Inpainter.load(str(tmp_path), STAGES[stage].method, "cpu")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    masks = np.zeros((2, 32, 32), np.uint8)
    masks[:, 8:20, 10:24] = 1
    with torch.no_grad():
        expected = to_uint8(network(to_float(images), mask_to_float(masks)))
    restored = inpainter.restore_batch(images, masks)
    inside = masks > 0
    assert np.abs(restored[inside].astype(int) - expected[inside]).max() <= 8  # weights are kept in fp16
    assert np.array_equal(restored[~inside], images[~inside])


def test_a_configuration_from_before_a_stage_gets_its_usual_settings():
    config = load_preset("tiny")
    for stage, facts in STAGES.items():
        part = Config.model_fields[facts.shaped_by[0]].annotation
        if isinstance(part, type) and issubclass(part, StagePart):
            old = config.model_dump(mode="json")
            del old["train"][stage], old[facts.shaped_by[0]]
            now = parse_yaml(yaml.safe_dump(old), "old")
            assert now.train[stage] == StageTraining(**part.usual_training)
            assert now.texture == config.texture


def test_parts_of_other_methods_do_not_decide_a_run():
    tree = load_preset("tiny").model_dump(mode="json")
    assert set(tree) - set(_without_other_methods(tree, "pconv")) >= {"rfr"}
    assert set(_without_other_methods(tree, "pconv")) >= {"pconv", "texture", "seed"}
    assert set(_without_other_methods(tree, "texture")) & {"pconv", "rfr"} == set()
