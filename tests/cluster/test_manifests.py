"""What runs the jobs elsewhere is well formed: manifests, launcher configuration, image."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml

ROOT = Path(__file__).parents[2]
JOBS = sorted((ROOT / "cluster" / "kuberay").glob("*.yaml"))
QUANTITY = {"type": "string", "pattern": r"^\d+(\.\d+)?(m|Ki|Mi|Gi)?$"}
RESOURCES = {
    "type": "object",
    "required": ["requests", "limits"],
    "additionalProperties": {"type": "object", "additionalProperties": QUANTITY},
}
CONTAINER = {
    "type": "object",
    "required": ["name", "image", "resources"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "image": {"type": "string"},
        "resources": RESOURCES,
        "envFrom": {"type": "array"},
    },
    "additionalProperties": False,
}
TEMPLATE = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["containers"],
            "properties": {"containers": {"type": "array", "minItems": 1, "items": CONTAINER}},
        }
    },
}
PARAMS = {"type": "object", "additionalProperties": {"type": "string"}}
# The part of KubeRay's ray.io/v1 RayJob schema that the manifests use; unknown fields are mistakes.
RAY_JOB = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "required": ["entrypoint", "rayClusterSpec"],
            "additionalProperties": False,
            "properties": {
                "entrypoint": {"type": "string"},
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "ttlSecondsAfterFinished": {"type": "integer"},
                "backoffLimit": {"type": "integer"},
                "runtimeEnvYAML": {"type": "string"},
                "rayClusterSpec": {
                    "type": "object",
                    "required": ["headGroupSpec"],
                    "additionalProperties": False,
                    "properties": {
                        "rayVersion": {"type": "string"},
                        "headGroupSpec": {
                            "type": "object",
                            "required": ["template"],
                            "additionalProperties": False,
                            "properties": {"rayStartParams": PARAMS, "template": TEMPLATE},
                        },
                        "workerGroupSpecs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["groupName", "maxReplicas", "minReplicas", "template"],
                                "additionalProperties": False,
                                "properties": {
                                    "groupName": {"type": "string"},
                                    "replicas": {"type": "integer"},
                                    "minReplicas": {"type": "integer"},
                                    "maxReplicas": {"type": "integer"},
                                    "rayStartParams": PARAMS,
                                    "template": TEMPLATE,
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_ray_jobs_fit_their_schema(path):
    manifest = yaml.safe_load(path.read_text())
    jsonschema.validate(manifest, RAY_JOB)
    spec = manifest["spec"]
    assert isinstance(yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"], dict)
    assert spec["rayClusterSpec"]["rayVersion"] == ray.__version__
    for group in spec["rayClusterSpec"]["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_entry_points_are_commands_that_parse(path):
    """The flags exist: with an unknown one the job would name it and exit before it looks at any URI."""
    command = yaml.safe_load(path.read_text())["spec"]["entrypoint"].split()
    assert command[0] == "python"
    usage = subprocess.run([sys.executable, ROOT / command[1], "--help"], capture_output=True, text=True, check=True)
    for word in command[2:]:
        if word.startswith("--"):
            assert re.search(rf"{word}\b", usage.stdout), word


def test_the_launcher_configuration_fits_rays_schema():
    schema = json.loads((Path(os.path.dirname(ray.__file__)) / "autoscaler" / "ray-schema.json").read_text())
    config = yaml.safe_load((ROOT / "cluster" / "aws.yaml").read_text())
    jsonschema.validate(config, schema)
    assert config["head_node_type"] in config["available_node_types"]
    assert any("--dashboard-host=127.0.0.1" in line for line in config["head_start_ray_commands"])


def test_the_image_copies_what_is_there_and_installs_what_the_package_wants():
    text = (ROOT / "cluster" / "Dockerfile").read_text()
    steps = re.sub(r"\\\n", " ", text)
    for line in steps.splitlines():
        if line.startswith("COPY"):
            assert all((ROOT / source).exists() for source in line.split()[1:-1]), line
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in wanted["dependencies"][:2]:
        assert f'"{requirement}"' in steps
    python = re.search(r"FROM python:(\d+\.\d+)", text)[1]
    assert wanted["requires-python"] == f">={python}"
    assert "USER ray" in text


def test_the_upload_leaves_out_what_is_large():
    ignored = (ROOT / ".rayignore").read_text().split()
    assert {"weights/", "runs/", ".venv/", ".env"} <= set(ignored)
    kept = sum(path.stat().st_size for folder in ("faceinpaint", "jobs") for path in (ROOT / folder).rglob("*.*"))
    assert kept < 5 * 2**20


def test_the_script_is_sound():
    subprocess.run(["bash", "-n", ROOT / "cluster" / "local_nodes.sh"], check=True)
    assert (
        subprocess.run(["bash", ROOT / "cluster" / "local_nodes.sh"], capture_output=True, check=False).returncode == 2
    )
