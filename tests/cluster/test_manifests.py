"""What runs the jobs elsewhere is well formed: manifests, launcher configuration, image, upload.

``rayjob-v1.schema.json.gz`` is the schema of KubeRay's own RayJob definition (helm-chart/kuberay-operator/crds/
ray.io_rayjobs.yaml, version v1, commit feeaf72f of github.com/ray-project/kuberay, Apache-2.0) without descriptions.
"""

import dataclasses
import gzip
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from ray._private.runtime_env.packaging import create_package

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "cluster" / "kuberay" / "serve.yaml"
JOBS = sorted(set((ROOT / "cluster" / "kuberay").glob("*.yaml")) - {SERVICE})
SCRIPTS = ("train.py", "batch_inpaint.py", "evaluate.py")


def closed(schema):
    """The schema with unknown fields refused, as the API server does under ``kubectl apply --validate=strict``."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
    return result


@pytest.fixture(scope="module")
def ray_job():
    schema = json.loads(gzip.decompress((Path(__file__).parent / "rayjob-v1.schema.json.gz").read_bytes()))
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return validator(closed(schema))


def validator(schema):
    """Checks the schema itself once; ``jsonschema.validate`` does it for each manifest."""
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def test_every_job_has_a_manifest():
    assert {path.stem for path in JOBS} == {name.removesuffix(".py").replace("_", "-") for name in SCRIPTS}


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_manifests_fit_kuberays_schema(path, ray_job):
    manifest = yaml.safe_load(path.read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayJob")
    ray_job.validate(manifest)
    spec = manifest["spec"]
    assert isinstance(yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"], dict)
    cluster = spec["rayClusterSpec"]
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["authOptions"]["mode"] == "token"
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_schema_refuses_a_mistake(ray_job):
    manifest = yaml.safe_load(JOBS[0].read_text())
    manifest["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["resorces"] = {}
    with pytest.raises(jsonschema.ValidationError, match="resorces"):
        ray_job.validate(manifest)


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_entry_points_are_commands_that_parse(path):
    """The flags exist: with an unknown one the job would name it and exit before it looks at any URI."""
    command = yaml.safe_load(path.read_text())["spec"]["entrypoint"].split()
    assert command[0] == "python"
    usage = subprocess.run([sys.executable, ROOT / command[1], "--help"], capture_output=True, text=True, check=True)
    for word in command[2:]:
        if word.startswith("--"):
            assert re.search(rf"{word}\b", usage.stdout), word


def test_the_service_fits_serves_schema_and_names_what_there_is(ray_job):
    from ray.serve.schema import ServeDeploySchema

    from faceinpaint.serving import app

    manifest = yaml.safe_load(SERVICE.read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayService")
    config = ServeDeploySchema.model_validate(yaml.safe_load(manifest["spec"]["serveConfigV2"]))
    assert [(each.name, each.route_prefix) for each in config.applications] == [
        (app.SERVICE, "/"),
        (app.PAGE, "/review"),
    ]
    options = {field.name for field in dataclasses.fields(app.ServeOptions)}
    for each in config.applications:
        module, _, name = each.import_path.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
        assert set(each.args) <= options
    assert {each.name for each in config.applications[0].deployments} == {"engine", "api"}
    cluster = manifest["spec"]["rayClusterConfig"]
    validator(ray_job.schema["properties"]["spec"]["properties"]["rayClusterSpec"]).validate(cluster)
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["authOptions"]["mode"] == "token"
    assert app.TOKEN in SERVICE.read_text()


def test_the_launcher_configuration_fits_rays_schema():
    schema = json.loads((Path(os.path.dirname(ray.__file__)) / "autoscaler" / "ray-schema.json").read_text())
    config = yaml.safe_load((ROOT / "cluster" / "aws.yaml").read_text())
    jsonschema.validate(config, schema)
    assert config["head_node_type"] in config["available_node_types"]
    assert any("--dashboard-host=127.0.0.1" in line for line in config["head_start_ray_commands"])
    for start in (config["head_start_ray_commands"][-1], config["worker_start_ray_commands"][-1]):
        assert start.startswith("RAY_AUTH_MODE=token ray start")
    assert "~/.ray/auth_token" in config["file_mounts"]


def image_steps():
    """The Dockerfile's instructions, continued lines joined: (instruction, rest)."""
    text = re.sub(r"\\\n", " ", (ROOT / "cluster" / "Dockerfile").read_text())
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_installs_what_the_package_wants_and_gives_up_root():
    steps = image_steps()
    known = {"FROM", "ARG", "WORKDIR", "RUN", "COPY", "USER"}
    assert {step for step, _ in steps} <= known
    assert steps[-1] == ("USER", "ray")
    base = dict(steps)["FROM"]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert wanted["requires-python"] == f">={re.fullmatch(r'python:([0-9.]+)-slim', base)[1]}"
    commands = " ".join(rest for step, rest in steps if step == "RUN")
    for requirement in wanted["dependencies"][:2]:
        assert f'"{requirement}"' in commands
    assert SERVICE.exists()
    assert 'pip install --no-cache-dir ".[serve]"' in commands  # the service runs in this image too


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_jobs_start_from_what_the_image_copies(tmp_path):
    """The image's own steps, but for the dependencies: copy, install the package, run the jobs from there."""
    for step, rest in image_steps():
        if step == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copied = tmp_path / target / ("" if (ROOT / source).is_dir() else source)
                copied.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, copied)
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", site, "."], cwd=tmp_path, check=True)
    shutil.rmtree(tmp_path / "faceinpaint")  # what runs is the installed package, its data files included
    environment = {**os.environ, "PYTHONPATH": str(site)}
    presets = "import faceinpaint.load_config as c; print(c.__file__); c.load_preset('celebahq256')"
    where = subprocess.run(
        [sys.executable, "-c", presets], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert where.stdout.startswith(str(site))
    for script in SCRIPTS:
        command = [sys.executable, f"jobs/{script}", "--help"]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_the_upload_is_small_and_holds_no_secret(tmp_path):
    """What ``ray job submit --working-dir .`` would send from a checkout with data, weights and credentials in it."""
    checkout = tmp_path / "checkout"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).exists():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    (checkout / ".env").write_text("AWS_SECRET_ACCESS_KEY=secret")
    (checkout / "faces.parquet").write_bytes(bytes(10**7))
    (checkout / "runs/demo").mkdir(parents=True)
    (checkout / "runs/demo/a.png").write_bytes(bytes(10**7))
    create_package(str(checkout), tmp_path / "upload.zip", include_gitignore=True)
    with zipfile.ZipFile(tmp_path / "upload.zip") as upload:
        names = {name.removeprefix("checkout/") for name in upload.namelist()}
    assert {"faceinpaint/presets/tiny.yaml", *(f"jobs/{script}" for script in SCRIPTS)} <= names
    assert not [n for n in names if n.endswith((".env", ".safetensors", ".parquet")) or n.startswith("runs/demo")]
    assert (tmp_path / "upload.zip").stat().st_size < 5 * 10**6


def test_the_script_is_sound():
    subprocess.run(["bash", "-n", ROOT / "cluster" / "local_nodes.sh"], check=True)
    assert (
        subprocess.run(["bash", ROOT / "cluster" / "local_nodes.sh"], capture_output=True, check=False).returncode == 2
    )
