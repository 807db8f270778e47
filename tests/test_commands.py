"""The command ``faceinpaint``: its verbs, their help at once, its version, and the files that `ray job submit` runs."""

import ast
import importlib
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import faceinpaint
from faceinpaint.cli import in_flags
from faceinpaint.commands import VERBS

ROOT = Path(__file__).parents[1]
HELP = """
import sys
from faceinpaint.commands import main
sys.argv[1:] = sys.argv[1:2] + ["--help"]
try:
    main()
finally:
    heavy = {"torch", "ray", "scipy", "skimage"} & set(sys.modules)
    assert not heavy, heavy
"""


def command(*arguments, **options):
    options = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 60, **options}
    return subprocess.run([sys.executable, "-m", "faceinpaint", *arguments], **options)


@pytest.mark.parametrize("verb", VERBS)
def test_help_starts_neither_torch_nor_ray(verb):
    shown = subprocess.run([sys.executable, "-c", HELP, verb], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"usage: faceinpaint {verb} ")


def test_help_of_a_verb_takes_less_than_a_second():
    """CPU seconds: other processes of this machine take turns."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert command("restore", "--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert 0 < after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 1


def test_every_verb_is_named_by_help_and_an_unknown_one_refused():
    shown = command("--help").stdout
    assert all(f"\n  {verb} " in shown for verb in VERBS)
    wrong = command("mend")
    assert wrong.returncode == 2
    assert "invalid choice: 'mend'" in wrong.stderr
    assert command().returncode == 2


def test_messages_of_the_library_become_the_command_s():
    assert in_flags("`keep_masks` of `init`: see it.") == "--keep-masks of --init: see it."
    assert in_flags("the field is `train.texture`, not `a b`") == "the field is `train.texture`, not `a b`"
    wrong = command(
        "restore", "--input", "docs", "--masks", "squares", "--output", "docs/x", "--weights", "weights/celeba64"
    )
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert re.match(
        r"error: --output \S+/docs/x and --input \S+/docs lie in each other: keep them apart\n", wrong.stderr
    )


def test_version():
    assert command("--version").stdout == f"faceinpaint {faceinpaint.__version__}\n"


@pytest.mark.parametrize("path", sorted((ROOT / "jobs").glob("*.py")), ids=lambda path: path.stem)
def test_a_job_is_a_verb(path):
    """Each file only calls ``main`` with its verb."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert len(calls) == 1
    assert calls[0].args[0].value == {"batch_inpaint": "restore"}.get(path.stem, path.stem)
    shown = subprocess.run([sys.executable, path, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr


def test_code_is_named_by_its_files_where_there_is_no_git(tmp_path):
    shutil.copytree(ROOT / "faceinpaint", tmp_path / "faceinpaint", ignore=shutil.ignore_patterns("__pycache__"))
    code = "from faceinpaint.version import code_version; print(code_version())"
    environment = {**os.environ, "PYTHONPATH": ""}

    def named(folder):
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    here, there = named(ROOT), named(tmp_path)
    assert there.startswith(f"{faceinpaint.__version__}, source ")
    assert here.startswith(f"{there}, commit ")  # the same source, and here it is a checkout
    (tmp_path / "faceinpaint" / "tensors.py").write_text("changed = True\n")
    assert named(tmp_path).split(", ")[1] != there.split(", ")[1]


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x"])
@pytest.mark.parametrize("verb", ["restore", "detect", "evaluate", "serve", "train"])
def test_processors_are_a_number_from_0_up(verb, text, capsys):
    flag = "--gpus-per-replica" if verb == "serve" else "--gpus-per-worker"
    parse = importlib.import_module(f"faceinpaint.commands.{verb}").parse_args
    with pytest.raises(SystemExit, match="2"):
        parse([flag, text])
    assert f"argument {flag}: " in capsys.readouterr().err
