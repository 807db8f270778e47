"""Names of layers in weight files of the compared methods' authors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceinpaint.errors import InputError
from faceinpaint.models.state_dict import read_checkpoint

# How torch's older spectral norm names a kernel and its singular vectors, and how the newer one does.
SPECTRAL = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}


def read_public(path: str | Path, part: str | None = None) -> dict[str, Any]:
    """The state dict in an author's file (under the name ``part``, where given), with our names.

    Raises :class:`InputError` for absent, damaged and refused files and those without the part.
    """
    content = read_checkpoint(path)
    if part is not None:
        if not isinstance(content.get(part), Mapping):
            raise InputError(f"{path} holds no {part!r}: it is not the authors' file")
        content = dict(content[part])
    return renamed(content)


def renamed(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict with the older names of spectral norm replaced by the newer ones."""
    return {_new_name(key): value for key, value in state.items()}


def _new_name(key: str) -> str:
    layer, dot, last = key.rpartition(".")
    return f"{layer}{dot}{SPECTRAL.get(last, last)}"
