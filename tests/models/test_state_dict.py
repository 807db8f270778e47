"""Public checkpoints load key by key; what does not fit is listed; what would run code is refused."""

from __future__ import annotations

import argparse
import gzip
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from faceinpaint.errors import InputError
from faceinpaint.load_config import load_preset
from faceinpaint.models import build, public_weights
from faceinpaint.models.arcface import ArcFace
from faceinpaint.models.state_dict import last_index, load_exactly, read_checkpoint, unfilled
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.stylegan2 import StyleGAN2Generator
from faceinpaint.stages import Stage

MANIFESTS = json.loads(gzip.decompress((Path(__file__).parent / "public_checkpoints.json.gz").read_bytes()))


def blank(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Tensors of these shapes that take no room: one stored value each."""
    return {
        key: torch.zeros((), dtype=torch.long if key.endswith("tracked") else torch.float32).expand(shape)
        for key, shape in shapes.items()
    }


def psp(size: int) -> dict[str, Any]:
    manifest = MANIFESTS[f"psp_{size}"]
    return {
        "state_dict": blank(manifest["state_dict"]),
        "latent_avg": torch.full(manifest["latent_avg"], 0.5),
        "opts": {"output_size": size, "start_from_latent_avg": True},
    }


def saved(content: Any, folder: Path, name: str = "file.pt") -> Path:
    torch.save(content, folder / name)
    return folder / name


@pytest.mark.parametrize(("size", "n_styles"), [(256, 14), (1024, 18)])
def test_psp_checkpoints_load(tmp_path: Path, size: int, n_styles: int) -> None:
    model = StructureReconstructor.from_psp_checkpoint(saved(psp(size), tmp_path))
    assert (model.decoder.size, model.image_size) == (size, 256)
    assert model.latent_avg.shape == (n_styles, 512)
    assert model.latent_avg.mean() == 0.5
    assert not model.training
    assert not any(value.is_meta for value in model.state_dict().values())


@pytest.mark.parametrize("stage", build.NETWORKS)
def test_a_network_made_without_weights_gets_them_all(stage: Stage) -> None:
    torch.manual_seed(0)
    config = load_preset("tiny")
    drawn = build.build_network(config, stage)
    with unfilled():
        empty = build.build_network(config, stage)
    assert all(value.is_meta for value in empty.parameters())
    load_exactly(empty, drawn.state_dict(), "here")
    for tensors in (drawn.named_parameters, drawn.named_buffers):
        others = dict(getattr(empty, tensors.__name__)())
        assert all(torch.equal(value, others[name]) for name, value in tensors())


@pytest.mark.parametrize("size", [256, 1024])
def test_generator_checkpoints_load(tmp_path: Path, size: int) -> None:
    manifest = MANIFESTS[f"stylegan2_{size}"]
    content = {"g_ema": blank(manifest["g_ema"]), "latent_avg": torch.ones(512), "args": argparse.Namespace(size=size)}
    generator = StyleGAN2Generator.from_checkpoint(saved(content, tmp_path))
    assert generator.size == size
    assert generator.latent_avg is not None
    assert "latent_avg" not in generator.state_dict()


def test_arcface_checkpoint_loads(tmp_path: Path) -> None:
    state = blank(MANIFESTS["arcface_ir_se50"]["state_dict"])
    model = ArcFace.from_checkpoint(saved(state, tmp_path))
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_misfits_are_listed(tmp_path: Path) -> None:
    content = psp(256)
    del content["state_dict"]["encoder.styles.13.linear.weight"]
    content["state_dict"]["decoder.surplus"] = torch.zeros(1)
    content["state_dict"]["encoder.latlayer1.bias"] = torch.zeros(7)
    content["state_dict"]["decoder.input.input"] = "text"
    with pytest.raises(InputError) as caught:
        StructureReconstructor.from_psp_checkpoint(saved(content, tmp_path))
    message = str(caught.value)
    assert "missing: encoder.styles.13.linear.weight;" in message
    assert "extra: decoder.surplus;" in message
    assert "encoder.latlayer1.bias (7,) instead of (512,)" in message
    assert "decoder.input.input str instead of (1, 512, 4, 4)" in message


def test_missing_latent_avg_and_foreign_files_are_named(tmp_path: Path) -> None:
    content = psp(256)
    del content["latent_avg"]
    with pytest.raises(InputError, match="missing: latent_avg"):
        StructureReconstructor.from_psp_checkpoint(saved(content, tmp_path))
    with pytest.raises(InputError, match="no public StyleGAN2 generator"):
        StyleGAN2Generator.from_checkpoint(saved({"weight": torch.zeros(1)}, tmp_path))
    with pytest.raises(InputError, match="not a dictionary"):
        read_checkpoint(saved([1, 2], tmp_path))
    with pytest.raises(InputError, match="no weights at"):
        read_checkpoint(tmp_path / "absent.pt")


class Hostile:
    """Unpickling this with the ordinary unpickler would create a file."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_hostile_pickle_is_refused_unrun(tmp_path: Path, write: Any) -> None:
    target, path = tmp_path / "ran", tmp_path / "hostile.pt"
    write({"state_dict": Hostile(target)}, path)
    with pytest.raises(InputError, match=r"damaged or holds more than weights: [Uu]nsupported") as refusal:
        read_checkpoint(path)
    assert "Re-running" not in str(refusal.value)  # torch's advice: without the protection
    assert not target.exists()
    pickle.loads(pickle.dumps(Hostile(target)))
    assert target.exists(), "the file above would not have been hostile"


@pytest.mark.parametrize(
    "data", [b"", b"<html>not found</html>", b"PK\x03\x04broken", b"\x80\x02}q\x00(", b"\x80" + b"." * 9]
)
@pytest.mark.parametrize("name", ["damaged.pt", "damaged.safetensors"])
def test_damaged_files_are_refused(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(tmp_path / name)


def test_conversion_reads_back_equal(tmp_path: Path) -> None:
    generator = StyleGAN2Generator(8)
    path = saved({"g_ema": generator.state_dict(), "latent_avg": torch.randn(512)}, tmp_path, "generator.pt")
    command = [sys.executable, "-m", "faceinpaint", "weights", "convert", str(path)]
    assert subprocess.run(command, check=False).returncode == 0
    first = StyleGAN2Generator.from_checkpoint(path)
    second = StyleGAN2Generator.from_checkpoint(path.with_suffix(".safetensors"))
    assert first.latent_avg is not None
    assert second.latent_avg is not None
    assert torch.equal(first.latent_avg, second.latent_avg)
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key
    with pytest.raises(InputError, match="safetensors already"):
        public_weights.convert(path.with_suffix(".safetensors"))


def test_check_says_what_a_file_is(tmp_path: Path) -> None:
    state = blank(MANIFESTS["arcface_ir_se50"]["state_dict"])
    assert f"ArcFace IR-SE50, all {len(state)} keys fit" in public_weights.check(
        saved(state, tmp_path, "model_ir_se50.pth")
    )
    with pytest.raises(InputError, match="SHA-256"):
        public_weights.check(saved(state, tmp_path, "vgg16-397923af.pth"))
    with pytest.raises(InputError, match="weights list"):
        public_weights.check(saved({"x": torch.zeros(1)}, tmp_path))


def test_table_names_every_file() -> None:
    assert all(file.name in public_weights.table() for file in public_weights.PUBLIC_FILES)


def test_last_index() -> None:
    assert last_index({"convs.2.x": 0, "convs.11.y": 0, "convs.extra": 0, "other.99": 0}, "convs.") == 11
    assert last_index({}, "convs.") == -1
