"""What is installed: the wheel's content, its metadata, and that every package that is imported is declared."""

import ast
import email
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import faceinpaint

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {
    "huggingface-hub": "hub",
    "onnxruntime": "export",
    "onnxscript": "export",
    "gradio": "serve",
    "fastapi": "serve",
    "starlette": "serve",
    "c2pa-python": "credentials",
    "cryptography": "credentials",
}  # may be imported where the extra is asked for


def name_of(requirement: str) -> str:
    return normal(re.match(r"[\w.-]+", requirement)[0])


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder: Path) -> set[str]:
    """Packages from elsewhere that the Python files of a folder import."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"faceinpaint", "bench", "jobs", "study", "tests"}


@pytest.mark.parametrize("folder", ["faceinpaint", "jobs", "study", "bench", "tests"])
def test_every_imported_package_is_declared(folder):
    declared = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    extras = PROJECT["optional-dependencies"]
    if folder in ("faceinpaint", "jobs"):
        allowed = declared | set(EXTRAS)
        assert all(name in {name_of(r) for r in extras[extra]} for name, extra in EXTRAS.items())
    else:
        allowed = declared | {name_of(r) for group in extras.values() for r in group}
    distributions = packages_distributions()
    missing = {
        module: distributions.get(module)
        for module in imported(ROOT / folder)
        if not {normal(name) for name in distributions.get(module, ())} & allowed
    }
    assert not missing


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).exists() and not name.startswith(("weights/", "docs/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, "."]
    subprocess.run(build, cwd=source, check=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_data_alone(wheel):
    names = set(wheel.namelist())
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "faceinpaint").rglob("*") if path.is_file()}
    package = {name for name in package if "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == package
    for needed in ("presets/celeba64.yaml", "inference/templates/report.html.j2", "py.typed"):
        assert f"faceinpaint/{needed}" in names
    assert "faceinpaint/data/splits/celebahq-28000-val.txt" in names


@pytest.mark.slow
def test_the_wheel_names_version_licence_and_command(wheel):
    info = f"faceinpaint-{faceinpaint.__version__}.dist-info"
    metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert wheel.read(f"{info}/licenses/LICENSE").decode().lstrip().startswith("Apache License")
    assert "faceinpaint = faceinpaint.commands:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert metadata.get_all("Project-URL") == ["Paper, https://doi.org/10.16055/j.issn.1672-058X.2023.0002.011"]
