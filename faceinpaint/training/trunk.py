"""A trunk: a run that others go on from, on another machine, with more data, other settings or at another size.

Exported weights are averages in half precision; a run that began from them with fresh optimisers would first lose some
of what they know. A trunk's checkpoint holds raw weights, averages, optimisers, discriminator and augmentation, and the
number of pictures seen. A run that goes on from it with nothing changed equals one that never stopped, bit for bit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from faceinpaint.config import Config, parse_config
from faceinpaint.errors import InputError
from faceinpaint.models import build
from faceinpaint.models.grow import grow
from faceinpaint.models.weights import has_weights, load_config
from faceinpaint.storage import exists, join, read_bytes
from faceinpaint.training.checkpoint import CheckpointStore
from faceinpaint.training.run import Run

SECTIONS = {
    "generator": ("generator",),
    "discriminator": ("generator",),
    "structure": ("image_size", "generator", "encoder"),
    "variant-1": ("texture",),
    "variant-2": ("texture",),
}  # parts of the configuration that shape a network; others have one of their own name
NAMED = 4  # differences that an error names


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """A checkpoint of another run. uri: its weights folder; config: the run's; step, sha256: the checkpoint's."""

    uri: str
    stage: str
    config: Config
    step: int
    sha256: str

    @property
    def folder(self) -> str:
        return join(self.uri, "runs", self.stage)

    def read(self) -> dict[str, Any]:
        """The state. Raises :class:`InputError` when it is damaged or gone."""
        state = CheckpointStore(join(self.folder, "checkpoints")).load({"step": self.step, "sha256": self.sha256})
        if state is None:
            raise InputError(f"{self.folder}: its checkpoint of step {self.step} is damaged or gone: start again")
        return state


def find_trunk(uri: str, stage: str) -> Trunk | None:
    """The newest checkpoint of ``stage`` under a weights folder; None when it has none.

    Raises :class:`InputError` when the run's own note of its configuration is missing or cannot be understood.
    """
    folder = join(uri, "runs", stage)
    notes = CheckpointStore(join(folder, "checkpoints")).notes()
    if not notes:
        return None
    path = join(folder, "run.json")
    if not exists(path):
        raise InputError(f"{folder} holds checkpoints without run.json: copy the whole folder")
    config = parse_config(json.loads(read_bytes(path))["config"], where=path)
    return Trunk(uri=uri, stage=stage, config=config, step=notes[-1]["step"], sha256=notes[-1]["sha256"])


def check_trunk(trunk: Trunk, config: Config, may_grow: bool) -> None:
    """Raises :class:`InputError` unless the trunk's networks fit ``config``, or, with ``may_grow``, grow to."""
    names = {"generator": ("generator", "discriminator")}.get(trunk.stage, (trunk.stage,))
    for name in names:
        _check_fit(name, trunk.config, config, may_grow, f"{trunk.folder}: its {name}")


def check_weights(uri: str, name: str, config: Config, may_grow: bool) -> None:
    """Raises :class:`InputError` when ``uri/name.safetensors``, if there, is of networks that do not fit ``config``.

    A folder without config.yaml is not judged: its keys are, when they are read.
    """
    if has_weights(uri, name) and exists(join(uri, "config.yaml")):
        _check_fit(name, load_config(uri), config, may_grow, f"{uri}: its {name}")


def _check_fit(name: str, theirs: Config, ours: Config, may_grow: bool, what: str) -> None:
    old, new = _network(name, theirs), _network(name, ours)
    shapes = [{key: value.shape for key, value in network.state_dict().items()} for network in (old, new)]
    if shapes[0] == shapes[1]:
        return
    try:
        grow(old.state_dict(), new, "")
    except InputError:
        grows = False
    else:
        grows = True
    if grows and may_grow:
        return
    section = SECTIONS.get(name, (name,))
    there, here = ({field: tree.model_dump(mode="json")[field] for field in section} for tree in (theirs, ours))
    found = [
        f"{path} is {_value(there, path)} there and {_value(here, path)} here" for path in differences(there, here)
    ]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    hint = "; --grow takes it to the new size" if grows else ""
    raise InputError(f"{what} does not fit this configuration: {', '.join(found[:NAMED])}{more}{hint}")


def _network(name: str, config: Config) -> nn.Module:
    """The network of a weights file or checkpoint, without memory for its weights."""
    with torch.device("meta"):
        match name:
            case "generator":
                return build.build_generator(config)
            case "discriminator":
                return build.build_discriminator(config)
            case "structure":
                return build.build_structure(config)
            case "pconv" | "rfr":
                return build.build_baseline(config, name)
        return build.build_texture(config.texture_for(name))


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """Dotted names of the values in which two JSON trees differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted(before.keys() | now.keys())
        return [d for n in names for d in differences(before.get(n), now.get(n), f"{path}.{n}".lstrip("."))]
    return [] if before == now else [path]


def _value(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = (tree or {}).get(name)
    return tree


def start_from(run: Run, trunk: Trunk) -> list[str]:
    """Give a run that has taken no step the state of a trunk, grown where the run's networks are larger.

    Returns what the trunk does not have and therefore starts fresh; if there is any, the run warms up again.
    """
    state = trunk.read()
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
    batch = trunk.config.train[trunk.stage].batch  # type: ignore[index]  # a stage
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
        old_names = state.get("optimized", {}).get(phase) or [kept.get(name, name) for name in names]
        place = {name: i for i, name in enumerate(old_names)}
        sources = [kept.get(name) for name in names]
        moments = {i: old["state"][place[s]] for i, s in enumerate(sources) if s in place and place[s] in old["state"]}
        new = sum(source is not None for source in sources) - len(moments)
        if new:
            fresh.append(f"optimiser of {new} parameters in {phase}")
        optimizer = run.optimizers[phase]
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return fresh
