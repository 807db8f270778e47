"""What a run shows: a progress line, TensorBoard scalars and sample pictures."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from faceinpaint import telemetry
from faceinpaint.storage import join, write_bytes
from faceinpaint.training.trainee import Measured, Score

LINE_EVERY_SECONDS = 10


class Monitor:
    """Rank 0's eye on a run.

    TensorBoard files are written beside the process and copied to ``uri`` (local or s3://) by :meth:`publish`.
    """

    def __init__(self, uri: str, stage: str, batch: int, first_step: int, steps: int):
        self.uri, self.stage, self.batch, self.steps = uri, stage, batch, steps
        self.folder = Path(tempfile.mkdtemp(prefix="faceinpaint-tensorboard-"))
        self.writer = SummaryWriter(str(self.folder), filename_suffix=f".{first_step:08d}")
        self.first_step, self.started = first_step, time.monotonic()
        self.line_at = -float("inf")

    def step(self, step: int, measured: Measured) -> None:
        """Note a finished step's losses, gradient norms and learning rate; now and then print a line."""
        telemetry.show("train_step", self.stage, step)
        telemetry.count("train_pictures", self.stage, self.batch)
        now = time.monotonic()
        if now - self.line_at < LINE_EVERY_SECONDS and step != self.steps:
            return
        self.line_at = now
        done = step - self.first_step
        rate = done * self.batch / max(now - self.started, 1e-9)
        left = (self.steps - step) * self.batch / max(rate, 1e-9)
        shown = " ".join(f"{name} {value:.4g}" for name, value in measured.items() if "/" not in name and name != "lr")
        print(
            f"[{self.stage}] step {step}/{self.steps}  {rate:.1f} pictures/s  {shown}  {format_seconds(left)} left",
            flush=True,
        )
        for name, value in {**measured, "pictures_per_second": rate}.items():
            self.writer.add_scalar(name if "/" in name else f"train/{name}", value, step)

    def evaluated(self, step: int, scores: Mapping[Score, float], pictures: Tensor) -> None:
        """Note validation figures and a grid of sample pictures (N, 3, S, S) in [-1, 1]."""
        shown = "  ".join(f"{name} {value:.4g}" for name, value in scores.items())
        print(f"[{self.stage}] step {step}/{self.steps}  validation  {shown}", flush=True)
        for name, value in scores.items():
            self.writer.add_scalar(f"validation/{name}", value, step)
        from torchvision.utils import make_grid  # takes a second: not before the first step

        grid = make_grid(pictures.float().add(1).div(2).clamp(0, 1).cpu(), nrow=8)
        self.writer.add_image("samples", grid, step)

    def publish(self) -> None:
        """Copy what has been written so far to the output."""
        self.writer.flush()
        for file in self.folder.iterdir():
            write_bytes(join(self.uri, "tensorboard", file.name), file.read_bytes())

    def close(self) -> None:
        """Publish what is left, and remove the local files."""
        self.publish()
        self.writer.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def format_seconds(seconds: float) -> str:
    """Hours, minutes and seconds, such as 1:02:03."""
    minutes, second = divmod(round(min(seconds, 359_999)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"


def sample_sheet(damaged: Tensor, restored: Tensor, truth: Tensor) -> Tensor:
    """Eight columns of damaged, restored and true pictures, by rows: (N, 3, S, S) x 3 -> (3N, 3, S, S)."""
    rows = zip(damaged.split(8), restored.split(8), truth.split(8), strict=True)
    return torch.cat([part for row in rows for part in row])
