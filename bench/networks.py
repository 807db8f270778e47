"""Rows (a) and (b): one restoration by each network, at 256 and 64 px."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.timing import interleaved, matmul, matmul_flops, peak_megabytes, precisions
from faceinpaint.config import Config, Precision
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.load_config import load_preset
from faceinpaint.models import build
from faceinpaint.models.two_stage import TwoStage
from faceinpaint.stages import METHODS, Method
from faceinpaint.tensors import mask_to_float

TIMED: tuple[Method, ...] = ("two-stage", "structure", "variant-1", "variant-2", "pconv", "rfr")
Case = tuple[str, Method, Precision, int]  # preset, method, precision, batch


def rows(contestants: list[tuple[str, Method]], rounds: int, device: str = "cpu") -> list[dict[str, Any]]:
    """A row per (preset, method), precision and batch, all in turns: seconds per picture, GFLOP, share of the matmul
    peak; of our own method on CPUs the peak memory too."""
    found = []
    dtypes = precisions(device)
    for batch in (1, 8):
        cases: list[Case] = [(preset, method, p, batch) for preset, method in contestants for p in dtypes]
        works: dict[Any, Callable[[], Any]] = {case: forward(case, device) for case in cases}
        for precision, dtype in dtypes.items():
            works[precision] = matmul(dtype, device)
        seconds: dict[Any, float] = interleaved(works, rounds)
        for case in cases:
            took, gflop = seconds[case], batch * flops(case[:2]) / 1e9
            peak = matmul_flops() / 1e9 / seconds[case[2]]
            ours = case[1] == "two-stage" and device == "cpu"
            found.append(
                {
                    "preset": case[0],
                    "method": case[1],
                    "precision": case[2],
                    "batch": batch,
                    "seconds_a_picture": took / batch,
                    "gflop_a_picture": gflop / batch,
                    "share_of_matmul_peak": gflop / took / peak,
                    "peak_mb": peak_megabytes(run_once, case) if ours else None,
                }
            )
            print(found[-1], flush=True)
    return found


def forward(case: Case, device: str = "cpu") -> Callable[[], Any]:
    """A restoration of ``batch`` seeded pictures, their hole a square of a quarter of the side."""
    preset, method, precision, batch = case
    config = load_preset(preset)
    inpainter = Inpainter(network(config, method), config, "untrained", torch.device(device), precision)
    images, masks = pictures(config.image_size, batch)
    return lambda: inpainter.restore_batch(images, masks)  # its result is an array: a GPU is done with it


def network(config: Config, method: Method) -> torch.nn.Module:
    """Seeded, untrained: speed does not depend on what was learnt."""
    torch.manual_seed(0)
    if method == "two-stage":
        return TwoStage(build.build_structure(config), build.build_texture(config.texture), config.match_paste)
    return build.build_network(config, METHODS[method])


def pictures(size: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
    masks = np.zeros((batch, size, size), np.uint8)
    masks[:, size // 4 : size // 2, size // 4 : size // 2] = 1
    return images, masks


@functools.cache
def flops(contestant: tuple[str, Method]) -> float:
    """Of one picture."""
    with FlopCounterMode(display=False) as counter:
        forward((*contestant, "fp32", 1))()
    return counter.get_total_flops()


def run_once(case: Case) -> None:
    forward(case)()


def attention_megabytes(preset: str) -> float:
    """Memory that the attention of one picture takes beyond the maps it reads and the filled maps it makes."""
    return peak_megabytes(attend, preset, True) - peak_megabytes(attend, preset, False)


@torch.inference_mode()
def attend(preset: str, really: bool) -> None:
    """The maps of one picture and, ``really``, their attention; else copies of the maps it would fill."""
    config = load_preset(preset)
    size, recipe = config.image_size, config.texture
    texture = build.build_texture(recipe)
    maps = {
        level: torch.rand(1, width, size // stride, size // stride)
        for level, (width, stride) in enumerate(zip(recipe.widths, recipe.strides, strict=True), start=1)
    }
    _, masks = pictures(size, 1)
    if really:
        texture._fill(maps, mask_to_float(masks), {})
    else:
        held = [maps[filled].clone() for _, filled in recipe.attention]
        assert held
