"""Row (e): evaluation over a plain serial script of pytorch-fid and scikit-image on the same pictures."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from pytorch_fid.inception import FID_WEIGHTS_URL
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchvision.models import inception_v3

from bench.restoration import ROOT, faces
from faceinpaint.data.masks import Squares, generated_hole

FEW, MANY, SIDE = 48, 144, 64  # pictures: their difference leaves start-up out


def evaluation_over_script() -> dict[str, float]:
    """Pictures/s of ``jobs/evaluate.py`` (Telea's fill; it measures LPIPS and identity too) and of the script.

    Both take Inception's features by pytorch-fid's network, with seeded weights: its own are a download.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TORCH_HOME": seeded_inception(Path(folder, "torch"))}
        pictures = faces(SIDE, MANY)
        for count in (FEW, MANY):
            Path(folder, str(count)).mkdir()
            for i, picture in enumerate(pictures[:count]):
                Path(folder, str(count), f"{i:04d}.png").write_bytes(picture)
        took = {}
        for count in (FEW, MANY):
            job = [sys.executable, str(ROOT / "jobs/evaluate.py"), "--data", f"{folder}/{count}", "--methods", "telea"]
            job += ["--size", str(SIDE), "--output", f"{folder}/eval-{count}"]
            script = [sys.executable, "-m", "bench.evaluation", f"{folder}/{count}", f"{folder}/filled-{count}"]
            took[count] = seconds(job, environment), seconds(script, environment)
    ours, plain = ((MANY - FEW) / (many - few) for few, many in zip(took[FEW], took[MANY], strict=True))
    return {"evaluate": ours, "script": plain, "ratio": ours / plain}


def seeded_inception(home: Path) -> str:
    torch.manual_seed(0)
    weights = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False).state_dict()
    path = home / "hub" / "checkpoints" / FID_WEIGHTS_URL.rsplit("/", 1)[1]
    path.parent.mkdir(parents=True)
    torch.save(weights, path)
    return str(home)


def seconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def script(source: Path, filled: Path) -> None:
    """What a researcher writes: fill, save, PSNR and SSIM in a loop, then pytorch-fid's command."""
    filled.mkdir()
    for path in sorted(source.iterdir()):
        picture = cv2.imread(str(path))
        hole = generated_hole(Squares(), path.name, SIDE, SIDE, SIDE)
        assert picture is not None
        restored = cv2.inpaint(picture, hole, 3, cv2.INPAINT_TELEA)
        peak_signal_noise_ratio(picture, restored, data_range=255)
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        structural_similarity(picture, restored, channel_axis=2, data_range=255, **options)
        cv2.imwrite(str(filled / path.name), np.asarray(restored))
    command = [sys.executable, "-m", "pytorch_fid", str(source), str(filled), "--device", "cpu"]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    script(Path(sys.argv[1]), Path(sys.argv[2]))
