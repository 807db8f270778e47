"""The paper's sizes on this machine: an optimiser step of every stage and one restoration, with peak memory."""

from __future__ import annotations

import math
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faceinpaint.load_config import load_preset
from faceinpaint.models import build
from faceinpaint.models.weights import save_config, save_weights
from faceinpaint.stages import STAGES
from faceinpaint.training.run import Run
from faceinpaint.training.stages.build import build_trainee
from faceinpaint.training.trainee import Batch

pytestmark = [pytest.mark.smoke, pytest.mark.timeout(1800)]
PRESET = "celebahq256"
PICTURES = {"generator": 2, "structure": 2, "pconv": 2}  # a step; the others take one (batch norm at 1 px needs two)


def in_fresh_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """What ``work`` returns, with its wall seconds and the peak memory of a process of its own printed."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        result, seconds, megabytes = pool.submit(measured, work, *arguments).result()
    print(f"\n{work.__name__} {arguments[0]}: {seconds:.1f} s, peak memory {megabytes:.0f} MB")
    return result


def measured(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float, float]:
    start = time.perf_counter()
    result = work(*arguments)
    return result, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one_step(stage: str) -> dict[str, float]:
    config = load_preset(PRESET)
    run = Run(build_trainee(stage, config, []), config.train[stage])  # type: ignore[index]
    count = PICTURES.get(stage, 1)
    side = config.generator.size if stage == "generator" else config.image_size
    images = torch.rand(count, 3, side, side) * 2 - 1
    masks = torch.zeros(count, 1, side, side)
    masks[:, :, side // 4 : side // 2, side // 4 : side // 2] = 1
    return run.step(Batch([str(i) for i in range(count)], images, masks, torch.rand(count)))


def one_restoration(folder: str) -> np.ndarray:
    from faceinpaint import Inpainter

    config = load_preset(PRESET)
    save_config(folder, config)
    save_weights(folder, "structure", build.build_structure(config))
    save_weights(folder, "texture", build.build_texture(config.texture))
    return Inpainter.load(folder)(*damaged())


def damaged() -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    mask = np.zeros((256, 256), np.uint8)
    mask[64:128, 64:128] = 255
    return image, mask


@pytest.mark.parametrize("stage", STAGES)
def test_one_step(stage: str) -> None:
    losses = in_fresh_process(one_step, stage)
    assert losses
    assert all(math.isfinite(value) for value in losses.values()), losses


def test_one_restoration(tmp_path: Path) -> None:
    restored = in_fresh_process(one_restoration, str(tmp_path))
    image, mask = damaged()
    assert np.array_equal(restored[mask == 0], image[mask == 0])
    assert not np.array_equal(restored[mask > 0], image[mask > 0])
