"""Our models give the numbers that public implementations gave on the same formula-defined weights.

``public.json`` was computed by the public repositories' own modules; docs/pretrained.md says how.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from faceinpaint.models.arcface import ArcFace
from faceinpaint.models.baselines.context_encoder import ContextEncoder
from faceinpaint.models.baselines.deepfill import DeepFill
from faceinpaint.models.baselines.edgeconnect import EdgeConnect
from faceinpaint.models.baselines.pconv import PConvUNet
from faceinpaint.models.baselines.rfr import RFRNet
from faceinpaint.models.baselines.structureflow import StructureFlow
from faceinpaint.models.encoder import StyleEncoder
from faceinpaint.models.state_dict import load_exactly
from faceinpaint.models.stylegan2 import StyleGAN2Generator
from tests.parity.formula import digest, formula_state, sines

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PUBLIC = json.loads((HERE / "public.json").read_text())
MANIFESTS = json.loads(gzip.decompress((HERE.parent / "models" / "public_checkpoints.json.gz").read_bytes()))


def assert_public(name: str, output: Tensor, tolerance: float = 1e-4) -> None:
    ours, theirs = torch.tensor(digest(output)), torch.tensor(PUBLIC[name])
    error = (ours - theirs).norm() / theirs.norm()
    assert error < tolerance, f"{name}: relative error {error:.2e}"


@torch.no_grad()
def test_encoder_256_equals_public_psp() -> None:
    shapes = MANIFESTS["psp_256"]["state_dict"]
    with torch.device("meta"):
        encoder = StyleEncoder(14)
    state = {key.removeprefix("encoder."): shape for key, shape in shapes.items() if key.startswith("encoder.")}
    load_exactly(encoder, formula_state(state), "formula")
    images = sines(3 * 256 * 256, phase=1).reshape(1, 3, 256, 256)
    assert_public("psp encoder", encoder.eval()(images))


@torch.no_grad()
@pytest.mark.parametrize("size", [64])
def test_generator_equals_public_stylegan2(size: int, tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in StyleGAN2Generator(size).state_dict().items()}
    torch.save({"g_ema": formula_state(shapes), "latent_avg": torch.zeros(512)}, tmp_path / "generator.pt")
    generator = StyleGAN2Generator.from_checkpoint(tmp_path / "generator.pt")
    w = generator.map(sines(2 * 512, phase=2).reshape(2, 512))
    assert_public("stylegan2 mapping", w)
    w_plus = w[:, None] * torch.linspace(0.5, 1.5, generator.n_styles)[:, None]
    assert_public("stylegan2 synthesis", generator.synthesize(w_plus, noise="const"))


@torch.no_grad()
def test_arcface_equals_public() -> None:
    with torch.device("meta"):
        model = ArcFace()
    load_exactly(model, formula_state(MANIFESTS["arcface_ir_se50"]["state_dict"]), "formula")
    assert_public("arcface", model.embed(sines(2 * 3 * 112 * 112, phase=3).reshape(2, 3, 112, 112)))


@torch.no_grad()
@pytest.mark.parametrize(("name", "build", "phase"), [("rfr", RFRNet, 4), ("pconv", lambda: PConvUNet(layers=6), 5)])
def test_compared_methods_equal_public(name: str, build: Callable[[], RFRNet | PConvUNet], phase: int) -> None:
    with torch.device("meta"):
        network = build()
    state = formula_state({key: tuple(value.shape) for key, value in network.state_dict().items()})
    if name == "pconv":  # the public U-Net's first layer has no bias
        state["encoder.0.conv.bias"].zero_()
    load_exactly(network, state, "formula")
    masks = torch.zeros(2, 1, 64, 64)
    masks[0, :, 16:40, 16:40] = 1
    masks[1, :, 30:54, 8:32] = 1
    images = sines(2 * 3 * 64 * 64, phase).reshape(2, 3, 64, 64)
    assert_public(name, network.eval().paint(images, masks))


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "build", "channels", "phase"),
    [
        ("edgeconnect edges", lambda: EdgeConnect().edges, 3, 6),
        ("edgeconnect completion", lambda: EdgeConnect().completion, 4, 7),
        ("structureflow structure", lambda: StructureFlow().structure, 7, 8),
        ("structureflow texture", lambda: StructureFlow().texture, 7, 9),
    ],
)
def test_networks_of_guided_methods_equal_public(
    name: str, build: Callable[[], nn.Module], channels: int, phase: int
) -> None:
    """EdgeConnect's before the last activation; StructureFlow's texture with the flow that it samples by."""
    with torch.device("meta"):
        network = build()
    load_exactly(network, formula_state({key: tuple(v.shape) for key, v in network.state_dict().items()}), "formula")
    output = network.eval()(sines(2 * channels * 64 * 64, phase).reshape(2, channels, 64, 64))
    # Its rounding grows: in fp32 StructureFlow is 7e-4 from itself in fp64, and processors differ by as much.
    tolerance = 2e-3 if name.startswith("structureflow") else 1e-4
    if name == "structureflow texture":
        output, flow = output
        assert_public("structureflow flow", flow, tolerance)
    assert_public(name, output, tolerance)


def loaded(network: nn.Module, public: str) -> nn.Module:
    """``network``, which fits the public file in order, with formula-defined kernels that let every layer count."""
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert list(shapes.values()) == [tuple(shape) for shape in MANIFESTS[public]["state_dict"].values()]
    state = {key: value * (1.5 if value.dim() == 4 else 1) for key, value in formula_state(shapes).items()}
    load_exactly(network, state, "formula")
    return network.eval()


@torch.no_grad()
@pytest.mark.parametrize(("version", "phase"), [("v1", 6), ("v2", 7)])
def test_deepfill_equals_public(version: str, phase: int) -> None:
    """Both pictures of each network; the public code knows one mask for all samples."""
    with torch.device("meta"):
        network = DeepFill() if version == "v1" else DeepFill(24, "full")
    masks = torch.zeros(2, 1, 64, 64)
    masks[:, :, 16:40, 16:40] = 1
    images = sines(2 * 3 * 64 * 64, phase).reshape(2, 3, 64, 64)
    filled = loaded(network, f"deepfill_{version}")
    assert isinstance(filled, DeepFill)
    assert_public(f"deepfill-{version}", torch.cat(filled.paint(images, masks)))


@torch.no_grad()
def test_context_encoder_equals_public() -> None:
    """The public network of a centre hole: the encoder of 128 px and the decoder of 64 px."""
    with torch.device("meta"):
        network = nn.Sequential(ContextEncoder().encoder, ContextEncoder(layers=4).decoder)
    images = sines(2 * 3 * 128 * 128, phase=8).reshape(2, 3, 128, 128)
    assert_public("context-encoder", loaded(network, "context_encoder")(images))
