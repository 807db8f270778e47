"""faceinpaint train as a user runs it: every stage, going on, wrong arguments."""

import pytest

from faceinpaint.cli import exit_code
from faceinpaint.commands import train
from faceinpaint.errors import InputError
from faceinpaint.load_config import load_preset
from faceinpaint.training.plan import make_job
from tests.train_job import command, run


@pytest.mark.slow
def test_the_method_trains_stage_after_stage_and_says_when_it_is_finished(faces_parquet, tmp_path):
    done = run(faces_parquet, tmp_path, "all", "--steps", "2")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in tmp_path.glob("*.safetensors")} == {
        "generator.safetensors",
        "structure.safetensors",
        "texture.safetensors",
    }
    assert "next: faceinpaint evaluate" in done.stdout
    again = run(faces_parquet, tmp_path, "texture", "--steps", "2")
    assert again.returncode == 0
    assert "already finished" in again.stdout
    elsewhere = run(faces_parquet, tmp_path / "elsewhere", "texture", "--steps", "1", "--init", str(tmp_path))
    assert elsewhere.returncode == 0, elsewhere.stderr
    copied = (tmp_path / "elsewhere" / "structure.safetensors").read_bytes()  # so that both stages restore from there
    assert copied == (tmp_path / "structure.safetensors").read_bytes()


def test_the_next_command_keeps_what_was_set():
    """Without it the next stage would be of another size, and refused."""
    given = {"preset": "tiny", "stage": "structure", "data": "d", "val": "v", "output": "o", "crop": "1,2,3,4"}
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    args = train.parse_args([*words, "--set", "image_size=128", "--set", "generator.channels={4: 8}"])
    assert train.next_command("structure", args) == (
        "faceinpaint train --preset tiny --stage texture --data d --val v --output o --crop 1,2,3,4"
        " --set image_size=128 --set 'generator.channels={4: 8}'"
    )


@pytest.mark.slow
def test_another_configuration_is_refused_for_a_begun_run(faces_parquet, tmp_path):
    assert run(faces_parquet, tmp_path, "generator", "--steps", "1").returncode == 0
    other = run(faces_parquet, tmp_path, "generator", "--steps", "2", "--set", "seed=7")
    assert other.returncode == 2
    assert "was made with another config.seed: choose another --output" in other.stderr


@pytest.mark.parametrize(
    ("stage", "change", "told"),
    [
        ("pconv", "pconv.layers=6", "pconv.layers = 6: pictures of 32 px can be halved 5 times; set pconv.layers to 5"),
        ("spg-net", "spg_net.halvings=6", "spg_net.halvings = 6: pictures of 32 px can be halved 5 times"),
    ],
)
def test_more_halvings_than_a_picture_has_are_refused_where_they_count(faces_parquet, tmp_path, stage, change, told):
    job = {"data": faces_parquet, "validation": faces_parquet, "output": str(tmp_path / "out")}
    config = load_preset("tiny", [change])
    with pytest.raises(InputError, match=told):
        make_job(config, stage, **job)
    assert not (tmp_path / "out").exists()
    assert make_job(config, "rfr", **job).stage == "rfr"
    assert make_job(load_preset("tiny", ["pconv.layers=5"]), "pconv", **job).stage == "pconv"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--preset", "huge"), "unknown preset 'huge'"),
        (("--data", "nowhere.parquet"), "no data at"),
        (("--crop", "0,0,400,400"), "crop 0,0,400,400 leaves a picture of 40x48"),
        (("--set", "train.texture.lr=x"), "train.texture.lr = 'x'"),
        (("--output", "/proc/none"), "/proc/none"),
        (("--workers", "99"), "cannot be shared by 99 workers"),
        (("--set", "seeded_generator=false"), "train --stage structure first, or name --init"),
    ],
)
def test_wrong_inputs_end_with_one_line_and_code_2(faces_parquet, tmp_path, capsys, more, told):
    arguments = command(faces_parquet, tmp_path / "out", "texture", *more)[2:]
    assert exit_code(lambda: train.main(arguments)) == 2
    message = capsys.readouterr().err
    assert told in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--keep", "0", "0 is less than 1"),
        ("--checkpoint-every", "0", "0 is less than 1"),
        ("--steps", "x", "'x' is not a whole number"),
        ("--workers", "-1", "'-1' is neither N nor LEAST-MOST"),
        ("--workers", "4-2", "need 0 < LEAST <= MOST"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_their_flag(flag, value, told, capsys):
    arguments = ["--preset", "tiny", "--stage", "texture", "--data", "d", "--val", "v", "--output", "o"]
    with pytest.raises(SystemExit) as end:
        train.parse_args([*arguments, f"{flag}={value}"])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert f"argument {flag}:" in message
    assert told in message
