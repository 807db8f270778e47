"""The demo's page: a damaged portrait beside its restoration, full and close up, with figures against the original."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
import torch
from PIL import Image
from tabulate import tabulate

from faceinpaint.data.damage.portrait import close_up, ten_cases
from faceinpaint.data.faces import Face
from faceinpaint.evaluation.metrics import psnr
from faceinpaint.losses.perceptual import PerceptualDistance, load_perceptual
from faceinpaint.models.baselines.classical.simple import biharmonic
from faceinpaint.tensors import to_float

CLOSE_UP = 256  # side at which faces are compared, pixels


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A case on the page, with figures of the hole (dB) and of the face (LPIPS), ours and a classical fill's."""

    name: str
    damaged: str
    restored: str
    psnr: float
    classical_psnr: float
    lpips: float
    classical_lpips: float


def write_page(folder: Path, names: list[str], portrait: np.ndarray, face: Face) -> tuple[Path, str]:
    """Write ``index.html`` over a demo's folder; returns its path, and the figures as a table to print.

    portrait: the original, uint8 RGB (S, S, 3).
    """
    distance = load_perceptual("alex")
    box = close_up(face, portrait.shape)
    cases = ten_cases(portrait, face)
    shown = [_shown(folder, name, cases[name][1], portrait, box, distance) for name in names]
    environment = jinja2.Environment(loader=jinja2.PackageLoader("faceinpaint.evaluation"), autoescape=True)
    page = folder / "index.html"
    text = environment.get_template("portrait.html.j2").render(
        cases=shown, backbone=distance.backbone, box=box, side=portrait.shape[0]
    )
    page.write_text(text, encoding="utf-8")
    rows = [[each.name, each.psnr, each.classical_psnr, each.lpips, each.classical_lpips] for each in shown]
    headers = ["damage", "hole PSNR", "biharmonic", f"LPIPS of the face ({distance.backbone})", "biharmonic"]
    return page, tabulate(rows, headers, floatfmt=("", ".1f", ".1f", ".3f", ".3f"))


def _shown(
    folder: Path,
    name: str,
    hole: np.ndarray,
    portrait: np.ndarray,
    box: tuple[int, int, int, int],
    distance: PerceptualDistance,
) -> Shown:
    files = [f"damaged/{name}.png", f"restored/{name}.png"]
    if not (folder / files[0]).exists():
        files = [f"marked/{name}.jpg", f"restored-marked/{name}.jpg"]
    damaged, restored = (np.asarray(Image.open(folder / file).convert("RGB")) for file in files)
    classical = biharmonic(damaged, hole)
    return Shown(
        name=name,
        damaged=files[0],
        restored=files[1],
        psnr=psnr(portrait[hole > 0], restored[hole > 0]),
        classical_psnr=psnr(portrait[hole > 0], classical[hole > 0]),
        lpips=face_lpips(restored, portrait, box, distance),
        classical_lpips=face_lpips(classical, portrait, box, distance),
    )


@torch.inference_mode()
def face_lpips(
    picture: np.ndarray, truth: np.ndarray, box: tuple[int, int, int, int], distance: PerceptualDistance
) -> float:
    """The distance of the faces in ``box``, both at CLOSE_UP pixels."""
    size = (CLOSE_UP, CLOSE_UP)
    faces = [np.asarray(Image.fromarray(each).crop(box).resize(size)) for each in (picture, truth)]
    return float(distance(*(to_float(each[None]) for each in faces)))
