"""Weights by folder, by environment and by the name of a repository on a hub."""

import os
import subprocess
import sys

import pytest

from faceinpaint.errors import InputError
from faceinpaint.models.find_weights import VARIABLE, fetched, find_weights
from tests.hub_server import files_of, hub

LOAD = """
import sys
from faceinpaint import Inpainter
print(Inpainter.load(sys.argv[1], device="cpu").model_sha256)
"""


def load(weights, **environment):
    command = [sys.executable, "-c", LOAD, weights]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=200)


def test_a_folder_counts_before_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find_weights(None) == str(tmp_path)
    assert find_weights("weights/mine") == os.path.abspath("weights/mine")
    assert find_weights("s3://bucket/mine") == "s3://bucket/mine"
    assert find_weights("hf://owner/name") == "hf://owner/name"


def test_without_any_the_error_says_what_to_give(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(InputError, match=rf"hf://owner/name, or set {VARIABLE}"):
        find_weights(None)


@pytest.mark.parametrize("name", ["hf://name", "hf://owner/na me", "hf://owner/name@", "hf://"])
def test_a_wrong_name_is_refused_before_any_request(name):
    with pytest.raises(InputError, match="write hf://owner/name"):
        fetched(name)


@pytest.mark.slow
def test_a_repository_is_fetched_once_without_its_other_files(tiny_weights, tmp_path):
    files = files_of(tiny_weights, "tiny/") | {"tiny/evil.pt": b"pickle", "README.md": b"#"}
    local = load(tiny_weights)
    assert local.returncode == 0, local.stderr
    with hub("owner/name", files) as server:
        place = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path)}
        first = load("hf://owner/name/tiny", **place)
        assert first.returncode == 0, first.stderr
        assert first.stdout == local.stdout  # the same weights
        assert sorted(server.asked) == ["tiny/config.yaml", "tiny/structure.safetensors", "tiny/texture.safetensors"]
        again = load("hf://owner/name/tiny", **place)
        assert again.stdout == local.stdout
        assert len(server.asked) == 3  # from the cache
        unknown = load("hf://owner/other", **place)
        assert unknown.returncode == 1
        assert "InputError: hf://owner/other could not be fetched" in unknown.stderr
