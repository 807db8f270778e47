"""A trainee on its device: takes optimiser steps, keeps moving averages, and holds all state a checkpoint needs."""

from __future__ import annotations

import hashlib
import math
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from faceinpaint.config import StageTraining
from faceinpaint.device import DTYPES, lay_out, resolve_precision
from faceinpaint.names import Precision
from faceinpaint.training import ema
from faceinpaint.training.distributed import (
    average_gradients,
    average_statistics,
    mean_over_workers,
    synchronise_batch_norm,
    workers,
)
from faceinpaint.training.jitter import jittered, labels_jittered
from faceinpaint.training.trainee import Batch, Measured, Phase, Trainee


class DivergedError(RuntimeError):
    """A loss or gradient is not finite, or a loss exploded. Names the step, the losses and the batch's keys."""


class Run:
    """One worker's share of a training run.

    A step's randomness is a function of (seed, step, rank) alone, and its data a function of the step, so the state to
    save is the modules, their averages, the optimisers, the loss scalers and the step. Steps are numbered through all
    runs of a trunk: ``steps_before`` and ``pictures_before`` count those before this run, ``warm_before`` the steps
    that count for its warm-up and for phases that begin late.

    Args:
        trainee: modules and phases; moved to ``device``.
        settings: how the stage is optimised.
        precision: "fp32", "bf16" or "fp16" (autocast; fp16 scales its losses), or "auto".
        rank: this worker's number; only its random draws depend on it.

    A bad step (see :class:`DivergedError`) is left out, and counted, up to ``settings.bad_steps`` times.
    """

    def __init__(
        self,
        trainee: Trainee,
        settings: StageTraining,
        *,
        precision: Precision = "fp32",
        channels_last: bool = False,
        device: torch.device | str = "cpu",
        seed: int = 0,
        rank: int = 0,
    ):
        self.trainee, self.settings, self.seed, self.rank = trainee, settings, seed, rank
        self.device = torch.device(device)
        self.precision = resolve_precision(precision, self.device)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        for module in (*trainee.modules.values(), *trainee.frozen):
            module.to(self.device)
            lay_out(module, self.memory_format)
        for module in trainee.modules.values():
            set_batch_norm(module.train(), settings.batch_norm)
        self.averages = {name: ema.averaged_copy(module) for name, module in trainee.exported.items()}
        self.optimizers = {phase.name: phase.optimizer for phase in trainee.phases}
        for optimizer in set(self.optimizers.values()):
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
        scaled = self.precision == "fp16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)
        self.steps_done = 0
        self.steps_before = self.pictures_before = self.warm_before = 0
        self.bad_steps = 0

    def autocast(self) -> Any:
        """The precision's autocast context; nothing for fp32."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, DTYPES[self.precision])

    def step(self, batch: Batch) -> Measured:
        """Take one optimiser step on this worker's samples. Returns losses, gradient norms and the learning rate.

        Raises :class:`DivergedError` when a phase's loss explodes or its gradient is not finite.
        """
        batch = batch.to(self.device, self.memory_format)
        labels = batch.labels
        if labels is not None:
            labels = labels_jittered(labels, batch.draws, self.settings.jitter)
        batch = replace(batch, images=jittered(batch.images, batch.draws, self.settings.jitter), labels=labels)
        torch.manual_seed(_seed_of(self.seed, self.steps_before + self.steps_done, self.rank))
        self.trainee.before_step(self.steps_done / self.settings.steps)
        factor = lr_factor(self.settings, self.steps_done, self.warm_before)
        measured: Measured = {"lr": factor * self.settings.lr}
        for phase in self.trainee.phases:
            due = self.warm_before + self.steps_done >= phase.after
            if due and (self.steps_before + self.steps_done) % phase.every == 0:
                for group in phase.optimizer.param_groups:
                    group["lr"] = group["initial_lr"] * factor
                measured |= self._take(phase, batch)
        average_statistics(self.trainee.modules.values())
        self.steps_done += 1
        self._average()
        return measured

    def _take(self, phase: Phase, batch: Batch) -> Measured:
        """One phase: losses over micro-batches, mean gradients over workers, clipping, the optimiser's update."""
        for module in self.trainee.modules.values():
            module.requires_grad_(False)
        for module in phase.modules:
            module.requires_grad_(True)
        phase.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, torch.Tensor] = {}
        for i in range(self.settings.accumulate):
            part = batch.part(i, self.settings.accumulate)
            # Shares of the global batch, so that uneven parts and workers still add up to its mean.
            share = len(part) / self.settings.batch
            with self.autocast():
                losses = phase.losses(part)
                total = phase.total(losses)
            self.scaler.scale(total * (share * workers())).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.detach().float() * (share * workers())
        parameters = phase.parameters()
        average_gradients(parameters)
        if self.scaler.is_enabled():
            self.scaler.unscale_(phase.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip or math.inf)
        means = mean_over_workers(torch.stack([*sums.values(), norm.float()])).tolist()
        measured = dict(zip([*sums, f"grad_norm/{phase.name}"], means, strict=True))
        if self._is_good(phase, measured, batch):
            self.scaler.step(phase.optimizer)
        self.scaler.update()
        return measured

    def _is_good(self, phase: Phase, measured: Measured, batch: Batch) -> bool:
        """False for a bad step within the budget; raises beyond it. All workers see the same means, so they agree."""
        wrong = [n for n, v in measured.items() if not math.isfinite(v) or abs(v) > self.settings.max_loss]
        norm = f"grad_norm/{phase.name}"
        if wrong == [norm] and not math.isfinite(measured[norm]) and self.scaler.get_scale() > 1:
            return True  # an fp16 overflow: the scaler leaves the step out by itself and scales down
        if not wrong:
            return True
        self.bad_steps += 1
        if self.bad_steps <= self.settings.bad_steps:
            return False
        values = ", ".join(f"{name}={value:.4g}" for name, value in measured.items())
        raise DivergedError(
            f"step {self.steps_done}, phase {phase.name}: {', '.join(wrong)} out of bounds ({values}); "
            f"keys of the batch: {', '.join(batch.keys)}"
        )

    def _average(self) -> None:
        batch = self.settings.batch
        seen = self.pictures_before + self.steps_done * batch
        for name, module in self.trainee.exported.items():
            ema.update(self.averages[name], module, batch, self.settings.ema_pictures, seen)

    def optimized(self) -> dict[str, list[str]]:
        """Phase -> the names (MODULE.PARAMETER) of what its optimiser moves, in the order of the optimiser's state."""
        names = {id(p): f"{m}.{n}" for m, module in self.trainee.modules.items() for n, p in module.named_parameters()}
        return {phase.name: [names[id(p)] for p in phase.parameters()] for phase in self.trainee.phases}

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on, as tensors and plain values."""
        return {
            "step": self.steps_done,
            "bad_steps": self.bad_steps,
            "modules": {name: module.state_dict() for name, module in self.trainee.modules.items()},
            "averages": {name: module.state_dict() for name, module in self.averages.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "optimized": self.optimized(),
            "before": {"steps": self.steps_before, "pictures": self.pictures_before, "warm": self.warm_before},
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.steps_done, self.bad_steps = state["step"], state["bad_steps"]
        before = state.get("before", {"steps": 0, "pictures": 0, "warm": 0})  # checkpoints of old have none
        self.steps_before, self.pictures_before, self.warm_before = (before[n] for n in ("steps", "pictures", "warm"))
        for name, module in self.trainee.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, module in self.averages.items():
            module.load_state_dict(state["averages"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.scaler.load_state_dict(state["scaler"])


def lr_factor(settings: StageTraining, step: int, before: int = 0) -> float:
    """What the learning rate is multiplied by at a step: warm-up, then constant, cosine to 0, or falling in steps.

    ``before``: steps of earlier runs, which the warm-up and the steps of "step" go on from; a cosine is of this run.
    """
    warm = min(1.0, (before + step + 1) / settings.warmup) if settings.warmup else 1.0
    if settings.schedule == "cosine":
        return warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    if settings.schedule == "step":
        return warm * settings.step_factor ** ((before + step) // settings.step_every)
    return warm


def set_batch_norm(module: nn.Module, mode: str) -> None:
    """Batch-norm statistics in training: of each worker's own samples, of all workers', or as they stand ("frozen")."""
    if mode == "sync":
        synchronise_batch_norm(module)
    if mode == "frozen":
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()


def _seed_of(*parts: int) -> int:
    """A stable 63-bit seed of some numbers."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1
