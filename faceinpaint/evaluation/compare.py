"""Setting an earlier evaluation beside a new one, only where they are comparable."""

from __future__ import annotations

import json
from typing import Any

from faceinpaint.errors import InputError
from faceinpaint.evaluation.figures import Metrics
from faceinpaint.storage import read_bytes

MUST_AGREE = {"data_sha256": "data", "masks.sha256": "masks", "convention": "convention", "size": "picture size"}


def read_other(uri: str) -> Metrics:
    """The ``metrics.json`` of an evaluation's output folder. Raises :class:`InputError` when there is none."""
    try:
        return json.loads(read_bytes(f"{uri.rstrip('/')}/metrics.json"))
    except (OSError, ValueError) as error:
        raise InputError(f"`compare` {uri}: no evaluation there ({error})") from None


def differences(a: Metrics, b: Metrics) -> list[str]:
    """Why the figures of two evaluations cannot be set side by side; empty when they can."""
    return [name for path, name in MUST_AGREE.items() if _at(a, path) != _at(b, path)]


def check_comparable(metrics: Metrics, other: Metrics, force: bool) -> list[str]:
    """The differences, to be marked; raises :class:`InputError` for any unless ``force``."""
    differ = differences(metrics, other)
    if differ and not force:
        raise InputError(f"`compare`: the two evaluations differ in {', '.join(differ)}; `force` shows them, marked")
    return differ


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree[name]
    return tree
