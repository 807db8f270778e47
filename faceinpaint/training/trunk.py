"""A trunk: a run that others go on from, on another machine, with more data, other settings or at another size.

Exported weights are averages in half precision; a run that began from them with fresh optimisers would first lose some
of what they know. A trunk's checkpoint holds raw weights, averages, optimisers, discriminator and augmentation, and the
number of pictures seen. A run that goes on from it with nothing changed equals one that never stopped, bit for bit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from faceinpaint.config import Config
from faceinpaint.errors import InputError
from faceinpaint.load_config import parse_config
from faceinpaint.models.find_weights import fetched
from faceinpaint.models.grow import grow
from faceinpaint.stages import Stage
from faceinpaint.storage import exists, join, read_bytes
from faceinpaint.training.checkpoint import CheckpointStore
from faceinpaint.training.run import Run


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """A checkpoint of another run. uri: its weights folder; stage, config: its own; step, sha256: the checkpoint's."""

    uri: str
    stage: Stage
    config: Config
    step: int
    sha256: str

    @property
    def folder(self) -> str:
        """Where its state lies."""
        return join(self.uri, "runs", self.stage)

    def read(self, stage: str) -> dict[str, Any]:
        """The state, with ``stage`` where it says its own. Raises :class:`InputError` when it is damaged or gone."""
        state = CheckpointStore(join(self.folder, "checkpoints")).load({"step": self.step, "sha256": self.sha256})
        if state is None:
            raise InputError(f"{self.folder}: its checkpoint of step {self.step} is damaged or gone: start again")
        own, prefix = self.stage, self.stage + "."
        for part in ("modules", "averages", "optimizers", "optimized"):
            state[part] = {stage if name == own else name: value for name, value in state.get(part, {}).items()}
        for phase, names in state["optimized"].items():
            state["optimized"][phase] = [
                f"{stage}.{n.removeprefix(prefix)}" if n.startswith(prefix) else n for n in names
            ]
        return state


def find_trunk(uri: str, stage: Stage) -> Trunk | None:
    """The newest checkpoint of ``stage`` under a weights folder; None when it has none.

    Raises :class:`InputError` when the run's own note of its configuration is missing or cannot be understood.
    """
    folder = join(fetched(uri), "runs", stage)
    notes = CheckpointStore(join(folder, "checkpoints")).notes()
    if not notes:
        return None
    path = join(folder, "run.json")
    if not exists(path):
        raise InputError(f"{folder} holds checkpoints without run.json: copy the whole folder")
    config = parse_config(json.loads(read_bytes(path))["config"], where=path)
    return Trunk(uri=uri, stage=stage, config=config, step=notes[-1]["step"], sha256=notes[-1]["sha256"])


def start_from(run: Run, trunk: Trunk, stage: str) -> list[str]:
    """Give a run of ``stage`` that has taken no step the state of a trunk, grown where its networks are larger.

    Returns what the trunk does not have and therefore starts fresh; if there is any, the run warms up again.
    """
    state = trunk.read(stage)
    kept: dict[str, str] = {}
    fresh = []
    for name, module in run.trainee.modules.items():
        if name not in state["modules"]:
            fresh.append(name)
            continue
        grown = grow(state["modules"][name], module, trunk.folder)
        module.load_state_dict(grown.state)
        kept |= {f"{name}.{key}": f"{name}.{source}" for key, source in grown.kept.items()}
        if len(grown.kept) < len(grown.state):
            fresh.append(f"new layers of {name}")
        if name in run.averages:
            average = run.averages[name]
            average.load_state_dict(
                grow(state["averages"].get(name, state["modules"][name]), average, trunk.folder).state
            )
    fresh += _carry_optimizers(run, state, kept)
    if state["scaler"]:
        run.scaler.load_state_dict(state["scaler"])
    before = state.get("before", {"steps": 0, "pictures": 0, "warm": 0})
    batch = trunk.config.train[trunk.stage].batch
    run.steps_before = before["steps"] + state["step"]
    run.pictures_before = before["pictures"] + state["step"] * batch
    run.warm_before = 0 if fresh else before["warm"] + state["step"]
    return fresh


def _carry_optimizers(run: Run, state: dict[str, Any], kept: dict[str, str]) -> list[str]:
    """Give each optimiser the moments of the parameters that were ``kept``; returns the phases that have none."""
    fresh = []
    for phase, names in run.optimized().items():
        old = state["optimizers"].get(phase)
        if old is None:
            fresh.append(f"optimiser of {phase}")
            continue
        # Checkpoints of old do not name what their optimisers move: then it is what ours move, in order.
        old_names = state["optimized"].get(phase) or [kept.get(name, name) for name in names]
        place = {name: i for i, name in enumerate(old_names)}
        sources = [kept.get(name) for name in names]
        moments = {i: old["state"][place[s]] for i, s in enumerate(sources) if s in place and place[s] in old["state"]}
        new = sum(source is not None for source in sources) - len(moments)
        if new:
            fresh.append(f"optimiser of {new} parameters in {phase}")
        optimizer = run.optimizers[phase]
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return fresh
