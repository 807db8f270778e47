"""The exported graph restores as torch does, without torch."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from faceinpaint.commands.export import main
from faceinpaint.errors import InputError
from faceinpaint.inference.export import BEYOND_ONNX, export_onnx
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.models import build
from faceinpaint.models.weights import save_config, save_weights
from tests.lean import lean

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
given = np.load(sys.argv[2])
image = given["image"].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
(restored,) = session.run(None, {"image": image, "mask": given["mask"][:, None].astype(np.float32)})
np.save(sys.argv[3], restored)
"""


def pictures(count, size):
    random = np.random.default_rng(0)
    mask = np.zeros((count, size, size), np.uint8)
    for i in range(count):
        mask[i, 4 : 12 + i, 6:20] = 1
    return random.integers(0, 256, (count, size, size, 3), np.uint8), mask


def lean_weights(folder):
    """Weights of the lean form: every part that the paper's form does not have."""
    config = lean()
    torch.manual_seed(0)
    save_config(folder, config)
    save_weights(folder, "structure", build.build_structure(config))
    save_weights(folder, "texture", build.build_texture(config.texture))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("form", ["paper", pytest.param("lean", marks=pytest.mark.smoke)])  # that one takes a minute
def test_onnxruntime_restores_as_torch_does(form, tiny_weights, tmp_path, capsys):
    weights = tiny_weights if form == "paper" else lean_weights(str(tmp_path / "weights"))
    file = tmp_path / "faces.onnx"
    assert main(["--weights", weights, "--output", str(file)]) == 0
    assert "of torch in onnxruntime" in capsys.readouterr().out
    inpainter = Inpainter.load(weights, device="cpu")
    facts = {each.key: each.value for each in onnx.load(file).metadata_props}
    assert facts["model_sha256"] == inpainter.model_sha256
    assert facts["image_size"] == str(inpainter.image_size)
    for count in (1, 3):
        image, mask = pictures(count, inpainter.image_size)
        np.savez(tmp_path / "given.npz", image=image, mask=mask)
        command = [
            sys.executable,
            "-c",
            WITHOUT_TORCH,
            str(file),
            str(tmp_path / "given.npz"),
            str(tmp_path / "out.npy"),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        restored = np.load(tmp_path / "out.npy")
        expected = inpainter.restore_batch(image, mask)
        levels = np.clip(np.rint((restored.transpose(0, 2, 3, 1) + 1) * 127.5), 0, 255)
        assert np.abs(levels - expected).max() <= 1
        hole = mask[..., None] > 0
        assert np.abs(levels - image)[np.broadcast_to(hole, image.shape)].max() > 1
        assert np.array_equal(np.where(hole, 0, levels), np.where(hole, 0, image))


def test_a_missing_package_is_named(tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"export needs the package onnxscript: pip install 'faceinpaint\[export\]'"):
        export_onnx(tiny_weights, str(tmp_path / "faces.onnx"))


@pytest.mark.parametrize("method", BEYOND_ONNX)
def test_what_a_graph_cannot_compute_is_refused_by_name(method, tmp_path):
    with pytest.raises(InputError, match=f"method {method} .*, which an ONNX file cannot"):
        export_onnx(str(tmp_path), str(tmp_path / "a.onnx"), method)
