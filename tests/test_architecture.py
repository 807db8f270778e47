"""The house rules that a machine can hold: import direction, no Ray in models, size of files and functions."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "faceinpaint").rglob("*.py")) + sorted((ROOT / "jobs").glob("*.py"))
# Each layer may import those before it, and itself. Files beside the folders are "base".
LAYERS = [
    "base", "photos", "data", "models", "losses", "training", "inference", "serving", "evaluation", "commands", "jobs"
]  # fmt: skip
APART = {("photos", "training"), ("photos", "losses"), ("photos", "models"), ("inference", "training")}
LONGEST = 400  # lines of a file: a smell, not a goal; most have less than 200
PUBLIC_FACE = {"faceinpaint/__init__.py", "faceinpaint/__main__.py"}


def name_of(path):
    """The dotted name of a module's file."""
    return str(path.relative_to(ROOT)).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def layer_of(module):
    parts = module.split(".")
    if parts[0] == "jobs":
        return "jobs"
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else "base"


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    name = str(path.relative_to(ROOT))
    own = layer_of(name_of(path))
    for module in imports_of(path):
        if not module.startswith("faceinpaint") or name in PUBLIC_FACE:
            continue
        other = layer_of(module)
        assert LAYERS.index(other) <= LAYERS.index(own), f"{name} ({own}) imports {module} ({other})"
        assert (own, other) not in APART, f"{name} imports {module}"


def test_no_module_imports_itself_on_any_way_round():
    """Imports for type checkers and inside functions count too."""
    modules = {name_of(path) for path in FILES}
    arrows = {}
    for path in FILES:
        if str(path.relative_to(ROOT)) not in PUBLIC_FACE:
            targets = {name if name in modules else name.rpartition(".")[0] for name in imports_of(path)}
            arrows[name_of(path)] = targets & modules
    order = graphlib.TopologicalSorter(arrows)
    order.prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("folder", ["models", "losses"])
def test_networks_know_no_ray(folder):
    for path in (ROOT / "faceinpaint" / folder).rglob("*.py"):
        assert not [module for module in imports_of(path) if module.split(".")[0] == "ray"], path


def test_files_and_functions_stay_short():
    for path in FILES:
        text = path.read_text()
        assert len(text.splitlines()) <= LONGEST, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 50, f"{path}: {node.name}"


def without_docstrings(tree):
    """The strings of a module that are no documentation."""
    expressions = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in expressions
    ]


def test_libraries_name_parameters_not_flags():
    """Only commands speak in flags: they turn a message's `keep_masks` into --keep-masks."""
    speaking = {"faceinpaint/version.py", "faceinpaint/serving/app.py"}  # to git; prints the next command
    for path in FILES:
        name = str(path.relative_to(ROOT))
        if layer_of(name_of(path)) not in ("commands", "jobs") and name not in speaking:
            flags = [text for text in without_docstrings(ast.parse(path.read_text())) if re.search(r"--[a-z]", text)]
            assert not flags, f"{name}: {flags}"
    raised = [
        text
        for node in ast.walk(ast.parse((ROOT / "faceinpaint/serving/app.py").read_text()))
        if isinstance(node, ast.Raise)
        for text in without_docstrings(node)
    ]
    assert raised
    assert not [text for text in raised if "--" in text]


def test_importing_models_starts_nothing():
    code = "import sys, faceinpaint.models.two_stage, faceinpaint.config; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", ["inference.steps", "data.stream", "data.prepare", "evaluation.stream"])
def test_processes_that_read_and_write_pictures_import_no_torch(module):
    code = f"import sys, faceinpaint.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
