"""What a stage starts from, and whether that fits: one line says what does not, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from faceinpaint.claim import differences
from faceinpaint.config import Config
from faceinpaint.errors import InputError
from faceinpaint.models import build
from faceinpaint.models.find_weights import fetched
from faceinpaint.models.grow import grow
from faceinpaint.models.state_dict import unfilled
from faceinpaint.models.weights import has_weights, load_config
from faceinpaint.stages import STAGES, Stage
from faceinpaint.storage import exists, join
from faceinpaint.training.trunk import Trunk, find_trunk

Network = Stage | Literal["discriminator"]  # what a weights file or a checkpoint holds
NAMED = 4  # differences that an error names


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a stage may begin: from which stage's weights or run; may they be smaller; must there be a run."""

    stage: Stage
    may_grow: bool = False
    needs_trunk: bool = False


def find_start(start: Start, stage: Stage, config: Config, init: str | None, sources: tuple[str, ...]) -> Trunk | None:
    """The run in ``init`` that ``stage`` goes on from; None where it starts from weights alone, or from nothing.

    ``sources``: weights folders it may take weights from, the output last. Raises :class:`InputError` when ``start``
    asks for what is not there, or weights or run do not fit.
    """
    trunk = find_trunk(init, start.stage) if init else None
    if start.needs_trunk and trunk is None:
        raise InputError(f"`finish` goes on from a run of {start.stage}: name the `output` of one by `init`")
    if start.stage != stage and not trunk and not (init and has_weights(init, start.stage)):
        raise InputError(f"`init_stage` {start.stage}: `init` holds neither a run nor weights of it")
    if trunk:
        _check_trunk(trunk, stage, config, start.may_grow)
    earlier = STAGES[stage].builds_on
    wanted = ([(earlier, earlier)] if earlier else []) + ([] if trunk else [(start.stage, stage)])
    for source in sources:
        for theirs, ours in wanted:
            _check_weights(source, theirs, ours, config, start.may_grow)
    for beside in STAGES:  # the output's config.yaml becomes this run's: what else lies there must go on to fit
        if beside != stage:
            _check_weights(sources[-1], beside, beside, config, start.may_grow)
    return trunk


def _check_trunk(trunk: Trunk, stage: Stage, config: Config, may_grow: bool) -> None:
    """Raises :class:`InputError` unless the trunk's networks fit ``stage``'s, or, with ``may_grow``, grow to them."""
    networks: list[tuple[Network, Network]] = [(trunk.stage, stage), *((name, name) for name in STAGES[stage].critics)]
    for source, name in networks:
        what = f"{trunk.folder}: its {source}"
        _check_fit(source, trunk.config, name, config, may_grow, what)


def _check_weights(uri: str, source: Stage, name: Stage, config: Config, may_grow: bool) -> None:
    """Raises :class:`InputError` when ``uri/source.safetensors``, if there, does not fit ``config``'s ``name``.

    A folder without config.yaml is not judged: its keys are, when they are read.
    """
    if has_weights(uri, source) and exists(join(fetched(uri), "config.yaml")):
        _check_fit(source, load_config(uri), name, config, may_grow, f"{uri}: its {source}")


def _check_fit(source: Network, theirs: Config, name: Network, ours: Config, may_grow: bool, what: str) -> None:
    """Raises :class:`InputError` unless ``source`` of one configuration is, or grows to, ``name`` of another."""
    old, new = _network(source, theirs), _network(name, ours)
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
    section = STAGES["generator" if name == "discriminator" else name].shaped_by
    there, here = ({field: tree.model_dump(mode="json")[field] for field in section} for tree in (theirs, ours))
    found = [
        f"{path} is {_value(there, path)} there and {_value(here, path)} here" for path in differences(there, here)
    ]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    hint = "; `grow` takes it to the new size" if grows else ""
    raise InputError(f"{what} does not fit this configuration: {', '.join(found[:NAMED])}{more}{hint}")


def _network(name: Network, config: Config) -> nn.Module:
    """The network of a weights file or checkpoint, without memory for its weights."""
    with unfilled():
        if name == "discriminator":
            return build.build_discriminator(config)
        return build.build_network(config, name)


def _value(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = (tree or {}).get(name)
    return tree
