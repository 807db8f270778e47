"""Configurations from presets, which are the YAML files in the folder ``presets``, and from saved YAML."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml
from pydantic import ValidationError

from faceinpaint.config import Config, StageTraining
from faceinpaint.errors import InputError

PRESETS = resources.files("faceinpaint") / "presets"


def preset_names() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(p.name.removesuffix(".yaml") for p in PRESETS.iterdir() if p.name.endswith(".yaml"))


def load_preset(name: str, overrides: list[str] | None = None) -> Config:
    """The preset ``name`` with ``path.to.field=value`` overrides (values are YAML).

    Raises :class:`InputError` for an unknown preset, field or value.
    """
    if name not in preset_names():
        raise InputError(f"unknown preset {name!r}: choose one of {', '.join(preset_names())}")
    tree = {"preset": name, **yaml.safe_load((PRESETS / f"{name}.yaml").read_text())}
    tree = parse_config(tree, where=f"preset {name}").model_dump(mode="json")
    for override in overrides or []:
        _override(tree, override)
    return parse_config(tree, where=f"preset {name}")


def parse_yaml(text: str, where: str) -> Config:
    """A configuration saved by :meth:`Config.to_yaml`; ``where`` names it in errors. Raises :class:`InputError`."""
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where} is not YAML: {error}") from None
    return parse_config(tree, where)


def parse_config(tree: dict[str, Any], where: str) -> Config:
    """A validated :class:`Config` from nested dictionaries; ``where`` names the source in errors."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise InputError(f"{where}: {'; '.join(_explain(dict(e)) for e in error.errors())}") from None


def _explain(error: dict[str, Any]) -> str:
    """One pydantic error as "field = bad value: what is allowed"."""
    path = ".".join(map(str, error["loc"])) or "config"
    allowed = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        part: Any = Config
        for name in error["loc"][:-1]:
            field = getattr(part, "model_fields", {}).get(name)
            part = field.annotation if field else StageTraining
        allowed = f"no such field; choose one of {', '.join(part.model_fields)}"
    return f"{path} = {error['input']!r:.80}: {allowed}"


def _override(tree: dict[str, Any], override: str) -> None:
    path, equals, value = override.partition("=")
    if not equals:
        raise InputError(f"`set` {override!r}: write path.to.field=value")
    node, (*parents, leaf) = tree, path.split(".")
    for name in parents:
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            raise InputError(f"`set` {override!r}: {name} has no fields")
    node[leaf] = yaml.safe_load(value)
