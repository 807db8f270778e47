"""The table of stages agrees with its types, the configuration and the networks."""

from typing import get_args

import pytest

from faceinpaint.config import Config
from faceinpaint.load_config import load_preset
from faceinpaint.stages import METHODS, STAGES, Method, Stage, stages_up_to
from faceinpaint.training.start import _network


def test_the_table_has_every_stage_and_method():
    assert tuple(STAGES) == get_args(Stage)
    assert tuple(METHODS) == get_args(Method)
    assert METHODS["two-stage"] == "texture"


def test_stages_are_trained_in_the_order_in_which_they_build_on_each_other():
    assert stages_up_to("texture") == ("generator", "structure", "texture")
    assert stages_up_to("variant-1") == ("variant-1",)


@pytest.mark.parametrize("stage", STAGES)
def test_what_shapes_a_network_is_in_the_configuration(stage):
    assert set(STAGES[stage].shaped_by) <= set(Config.model_fields)
    assert _network(stage, load_preset("tiny")).state_dict()
