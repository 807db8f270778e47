"""A run goes on from another's end as if it had never stopped, and at another size as if it had grown in its sleep."""

import json

import pytest
import torch

from faceinpaint.cli import exit_code
from faceinpaint.commands.train import main
from faceinpaint.errors import InputError
from faceinpaint.load_config import load_preset
from faceinpaint.models.state_dict import read_checkpoint
from faceinpaint.models.weights import load_config, save_config
from faceinpaint.training.driver import train
from faceinpaint.training.plan import Resources, make_job
from faceinpaint.training.run import Run, lr_factor
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.start import Start
from faceinpaint.training.trunk import find_trunk, start_from
from tests.train_job import assert_equal, newest_state

LARGER = [
    "image_size=64",
    "generator.size=64",
    "generator.channels={4: 16, 8: 16, 16: 8, 32: 8, 64: 8}",
]


def train_here(faces, output, stage, steps, *changes, **job):
    config = load_preset("tiny", [f"train.{stage}.steps={steps}", f"train.{stage}.warmup=3", *changes])
    made = make_job(config, stage, data=faces, validation=faces, output=str(output), **job)
    train(made, Resources(workers=0))
    return newest_state(output, stage)


@pytest.mark.parametrize("stage", ["generator", "texture"])
def test_a_run_in_pieces_equals_one_that_never_stopped(stage, faces_parquet, tmp_path):
    whole = train_here(faces_parquet, tmp_path / "whole", stage, 5)
    first = train_here(faces_parquet, tmp_path / "first", stage, 2)
    assert first["before"] == {"steps": 0, "pictures": 0, "warm": 0}
    second = train_here(faces_parquet, tmp_path / "second", stage, 1, init=str(tmp_path / "first"))
    third = train_here(faces_parquet, tmp_path / "third", stage, 2, init=str(tmp_path / "second"))
    assert (second["before"]["pictures"], third["before"]["pictures"]) == (8, 12)
    for part in ("modules", "averages", "optimizers"):
        assert_equal(whole[part], third[part])


def test_a_run_notes_the_step_that_it_began_at(faces_parquet, tmp_path):
    for trunk_steps, steps in ((1, 1), (3, 2)):  # the trunk has gone on when the run does
        train_here(faces_parquet, tmp_path / "trunk", "pconv", trunk_steps)
        train_here(faces_parquet, tmp_path / "leg", "pconv", steps, init=str(tmp_path / "trunk"))
    assert json.loads((tmp_path / "leg" / "runs" / "pconv" / "run.json").read_text())["trunk"]["step"] == 1


def test_moments_follow_their_parameters_by_name(faces_parquet, tmp_path):
    """With the generator tuned too, the encoder keeps its moments and the generator starts without."""
    before = train_here(faces_parquet, tmp_path, "structure", 2)
    config = load_preset("tiny", ["train.structure.tune_generator=true"])
    run = Run(build_trainee("structure", config, []), config.train["structure"])
    trunk = find_trunk(str(tmp_path), "structure")
    fresh = start_from(run, trunk, "structure")
    (note,) = fresh
    assert note.startswith("optimiser of ")
    state = run.optimizers["structure"].state_dict()["state"]
    names = run.optimized()["structure"]
    assert {names[i].split(".")[1] for i in state} == {"encoder"}
    assert torch.equal(state[0]["exp_avg"], before["optimizers"]["structure"]["state"][0]["exp_avg"])
    assert (run.steps_before, run.warm_before) == (2, 0)


def test_a_generator_grows_from_a_trunk_and_starts_as_the_upsampled_old_one(faces_parquet, tmp_path):
    old = train_here(faces_parquet, tmp_path, "generator", 2)
    config = load_preset("tiny", LARGER)
    run = Run(build_trainee("generator", config, []), config.train["generator"])
    fresh = start_from(run, find_trunk(str(tmp_path), "generator"), "generator")
    assert fresh == ["new layers of generator", "new layers of discriminator"]
    small = build_trainee("generator", load_preset("tiny"), []).generator
    for state, large in ((old["averages"], run.averages["generator"]), (old["modules"], run.trainee.generator)):
        small.load_state_dict(state["generator"])
        w_plus = torch.randn(2, large.n_styles, 16)
        with torch.no_grad():
            expected = large.to_rgbs[-1].upsample(small.synthesize(w_plus[:, : small.n_styles]))
            assert torch.equal(large.synthesize(w_plus), expected)
    names, moments = run.optimized()["generator"], run.optimizers["generator"].state_dict()["state"]
    old_names = old["optimized"]["generator"]
    i, j = names.index("generator.convs.0.conv.weight"), old_names.index("generator.convs.0.conv.weight")
    assert torch.equal(moments[i]["exp_avg"], old["optimizers"]["generator"]["state"][j]["exp_avg"])
    assert names.index("generator.convs.6.conv.weight") not in moments
    assert run.trainee.augment.p == old["modules"]["augment"]["p"]


def test_the_texture_stage_starts_from_an_ablation(faces_parquet, tmp_path):
    before = train_here(faces_parquet, tmp_path, "variant-1", 2)
    config = load_preset("tiny")
    run = Run(build_trainee("texture", config, [str(tmp_path)], Start(stage="variant-1")), config.train["texture"])
    assert_equal(run.averages["texture"].state_dict(), rounded(before["averages"]["variant-1"]))
    assert start_from(run, find_trunk(str(tmp_path), "variant-1"), "texture") == []
    assert_equal(run.trainee.modules["texture"].state_dict(), before["modules"]["variant-1"])
    moments = run.optimizers["texture"].state_dict()["state"]
    assert_equal(moments, before["optimizers"]["variant-1"]["state"])
    job = {"data": faces_parquet, "validation": faces_parquet, "output": str(tmp_path / "out"), "init": str(tmp_path)}
    assert make_job(config, "texture", start=Start(stage="variant-1"), **job).trunk.stage == "variant-1"
    with pytest.raises(InputError, match="`init_stage` variant-2: `init` holds neither a run nor weights of it"):
        make_job(config, "texture", start=Start(stage="variant-2"), **job)


def rounded(state):
    """A state as exported weights hold it."""
    return {key: value.half().float() if value.is_floating_point() else value for key, value in state.items()}


def command(faces, output, stage, *more):
    files = ["--data", faces, "--val", faces, "--output", str(output)]
    return exit_code(lambda: main(["--preset", "tiny", "--stage", stage, *files, "--workers", "0", *more]))


def with_set(*changes):
    return [word for change in changes for word in ("--set", change)]


@pytest.mark.slow
def test_commands_grow_a_generator_and_take_texture_weights_at_another_size(faces_parquet, tmp_path, capsys):
    trunk = str(tmp_path / "trunk")
    assert command(faces_parquet, trunk, "generator", "--steps", "2") == 0
    assert command(faces_parquet, trunk, "texture", "--steps", "2") == 0
    larger, grown = with_set(*LARGER), tmp_path / "grown"
    assert command(faces_parquet, grown, "generator", "--steps", "2", "--init", trunk, *larger) == 2
    told = capsys.readouterr().err
    assert "its generator does not fit this configuration: generator.channels.64 is None there and 8 here" in told
    assert "generator.size is 32 there and 64 here; --grow takes it to the new size" in told
    assert told.count("\n") == 1
    assert command(faces_parquet, grown, "generator", "--steps", "2", "--init", trunk, "--grow", *larger) == 0
    told = capsys.readouterr().out
    assert "goes on from" in told
    assert "new here: new layers of generator, new layers of discriminator" in told
    texture = [*larger, *with_set("texture.strides=[1, 2, 4, 4, 8, 8]")]
    assert command(faces_parquet, grown, "texture", "--steps", "2", "--init", trunk, "--grow", *texture) == 0
    assert "8 pictures\n" in capsys.readouterr().out
    # Exported weights without their run grow, too.
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("generator.safetensors", "config.yaml"):
        (alone / name).write_bytes((tmp_path / "trunk" / name).read_bytes())
    assert command(faces_parquet, tmp_path / "b", "generator", "--init", str(alone), *larger) == 2
    assert "--grow takes it" in capsys.readouterr().err
    assert command(faces_parquet, tmp_path / "b", "generator", "--init", str(alone), "--grow", *larger) == 0


def test_the_falling_leg_publishes_weights(faces_parquet, tmp_path, capsys):
    trunk, published = tmp_path / "trunk", tmp_path / "published"
    save_config(str(trunk), load_preset("tiny"))  # a folder of weights without a run
    assert command(faces_parquet, published, "pconv", "--finish", "--init", str(trunk)) == 2
    assert "--finish goes on from a run of pconv" in capsys.readouterr().err
    before = train_here(faces_parquet, trunk, "pconv", 2)
    assert command(faces_parquet, published, "pconv", "--finish", "--init", str(trunk), "--steps", "4") == 0
    settings = load_config(str(published)).train["pconv"]
    assert (settings.schedule, settings.steps) == ("cosine", 4)
    assert [lr_factor(settings, step, 2) for step in (0, 2)] == [1.0, 0.5]
    state = newest_state(published, "pconv")
    exported = read_checkpoint(published / "pconv.safetensors")
    assert_equal(
        {k: v.float() if v.is_floating_point() else v for k, v in exported.items()}, rounded(state["averages"]["pconv"])
    )
    assert state["before"]["steps"] == 2
    assert not torch.equal(*(next(iter(s["modules"]["pconv"].values())) for s in (before, state)))


@pytest.mark.parametrize(
    ("stage", "changes", "told"),
    [
        ("texture", ["texture.widths=[8, 8, 16, 16, 16, 24]"], "its texture does not fit this configuration: texture."),
        ("generator", ["generator.style_dim=24"], "generator.style_dim is 16 there and 24 here"),
    ],
)
def test_a_trunk_of_another_configuration_is_refused(stage, changes, told, faces_parquet, tmp_path):
    train_here(faces_parquet, tmp_path / "trunk", stage, 1)
    for grow in (False, True):
        start = Start(stage=stage, may_grow=grow)
        with pytest.raises(InputError, match=told) as error:
            train_here(faces_parquet, tmp_path / "o", stage, 1, *changes, init=str(tmp_path / "trunk"), start=start)
        assert "\n" not in str(error.value)
        assert "`grow`" not in str(error.value)


def test_a_trunk_whose_checkpoint_is_damaged_is_refused(faces_parquet, tmp_path):
    train_here(faces_parquet, tmp_path / "trunk", "pconv", 1)
    (file,) = (tmp_path / "trunk" / "runs" / "pconv" / "checkpoints").glob("*.pt")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="checkpoint of step 1 is damaged or gone"):
        train_here(faces_parquet, tmp_path / "out", "pconv", 1, init=str(tmp_path / "trunk"))
    (tmp_path / "trunk" / "runs" / "pconv" / "run.json").unlink()
    with pytest.raises(InputError, match=r"without run\.json: copy the whole folder"):
        train_here(faces_parquet, tmp_path / "out", "pconv", 1, init=str(tmp_path / "trunk"))
