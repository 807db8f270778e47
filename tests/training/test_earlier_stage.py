"""The first stage that a second one is trained on: where it comes from, and that both restore together afterwards."""

import shutil
from pathlib import Path

import pytest
import torch

from faceinpaint import Inpainter
from faceinpaint.errors import InputError
from faceinpaint.load_config import load_preset
from faceinpaint.models import find_weights
from faceinpaint.models.build import build_generator, build_structure
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.stylegan2 import StyleGAN2Generator
from faceinpaint.models.weights import load_weights
from faceinpaint.training.driver import train
from faceinpaint.training.plan import Resources, make_job
from faceinpaint.training.stages.sources import Sources
from tests.train_job import assert_equal, newest_state

PUBLIC = ["seeded_generator=false", "pretrained.structure=psp.pt"]


def texture(faces, output, *changes, steps=1, **job):
    config = load_preset("tiny", [f"train.texture.steps={steps}", *changes])
    made = make_job(config, "texture", data=faces, validation=faces, output=str(output), **job)
    train(made, Resources(workers=0))


def public_structure(monkeypatch, *changes):
    """Let the public pSp checkpoint hold a reconstructor of preset tiny, with ``changes``."""
    torch.manual_seed(3)
    public = build_structure(load_preset("tiny", list(changes)))
    monkeypatch.setattr(StructureReconstructor, "from_psp_checkpoint", lambda *_, **__: public)
    return public


def test_a_run_that_tunes_the_first_stage_may_be_prolonged(faces_parquet, tiny_weights, tmp_path):
    for steps in (1, 2):
        texture(faces_parquet, tmp_path, "train.texture.tune_structure=0.5", steps=steps, init=tiny_weights)
    averages = newest_state(tmp_path, "texture")["averages"]["structure"]
    own = build_structure(load_preset("tiny"))
    load_weights(str(tmp_path), "structure", own)
    assert_equal(own.encoder.state_dict(), rounded(averages, "encoder."))
    Inpainter.load(tmp_path)


def rounded(state, inside):
    """The part of a state ``inside`` a module, as exported weights hold it."""
    part = {key.removeprefix(inside): value for key, value in state.items() if key.startswith(inside)}
    return {key: value.half().float() if value.is_floating_point() else value for key, value in part.items()}


def test_weights_of_the_hub_start_a_run(faces_parquet, tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(find_weights, "_from_hub", lambda uri: tiny_weights)
    texture(faces_parquet, tmp_path, init="hf://owner/name")
    assert (tmp_path / "structure.safetensors").read_bytes() == Path(tiny_weights, "structure.safetensors").read_bytes()


def test_an_output_whose_other_weights_would_no_longer_load_is_refused(faces_parquet, tiny_weights, tmp_path):
    shutil.copytree(tiny_weights, tmp_path, dirs_exist_ok=True)
    job = {"data": faces_parquet, "validation": faces_parquet, "output": str(tmp_path)}
    changed = load_preset("tiny", ["texture.widths=[8, 8, 16, 16, 16, 24]"])
    with pytest.raises(InputError, match=r"its texture does not fit this configuration: texture\.widths is "):
        make_job(changed, "pconv", **job)
    Inpainter.load(tmp_path)
    assert make_job(changed, "texture", **job | {"output": str(tmp_path / "elsewhere")}).stage == "texture"
    assert make_job(load_preset("tiny"), "pconv", **job).stage == "pconv"


def test_a_public_first_stage_is_written_beside_the_second(faces_parquet, tmp_path, monkeypatch):
    public = public_structure(monkeypatch)
    texture(faces_parquet, tmp_path, *PUBLIC)
    written = build_structure(load_preset("tiny"))
    load_weights(str(tmp_path), "structure", written)
    assert_equal(written.state_dict(), rounded(public.state_dict(), ""))
    Inpainter.load(tmp_path)


@pytest.mark.parametrize("change", ["encoder.mask_input=true", "encoder.head_width=16"])
def test_a_public_first_stage_of_another_shape_is_refused(change, faces_parquet, tmp_path, monkeypatch):
    public_structure(monkeypatch)
    with pytest.raises(InputError, match=r"psp\.pt does not fit StructureReconstructor: misshapen: encoder\."):
        texture(faces_parquet, tmp_path, *PUBLIC, change)
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_public_generator_brings_its_own_mean(monkeypatch):
    config = load_preset("tiny", ["pretrained.generator=stylegan2.pt"])
    public = build_generator(config)
    monkeypatch.setattr(StyleGAN2Generator, "from_checkpoint", lambda path: public)
    find = lambda: Sources(folders=(), begin="structure").structure(config)  # noqa: E731
    structure = find()
    assert_equal(structure.decoder.state_dict(), public.state_dict())
    torch.testing.assert_close(structure.latent_avg, public.mean_latent().expand(8, -1))
    public.latent_avg = torch.full((16,), 0.25)
    torch.testing.assert_close(find().latent_avg, torch.full((8, 16), 0.25))
    monkeypatch.setattr(
        StyleGAN2Generator,
        "from_checkpoint",
        lambda path: build_generator(load_preset("tiny", ["generator.mapping_layers=3"])),
    )
    with pytest.raises(InputError, match=r"stylegan2\.pt does not fit StyleGAN2Generator: extra: style\.3\.weight"):
        find()
