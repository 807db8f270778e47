"""Setting an earlier evaluation beside a new one, only where they are comparable."""

from __future__ import annotations

import json
from typing import Any, cast

from faceinpaint.errors import InputError
from faceinpaint.evaluation.driver import look_at
from faceinpaint.evaluation.figures import Metrics
from faceinpaint.evaluation.plan import Plan
from faceinpaint.storage import first_line, read_bytes


def read_other(uri: str) -> Metrics:
    """The ``metrics.json`` of an evaluation's output folder. Raises :class:`InputError` when there is none."""
    try:
        found = json.loads(read_bytes(f"{uri.rstrip('/')}/metrics.json"))
        _must_agree(found)
    except (OSError, ValueError) as error:
        raise InputError(f"`compare` {uri}: no evaluation there ({first_line(error)})") from None
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"`compare` {uri}: its metrics.json is not an evaluation's") from None
    return found


def differences(a: Metrics, b: Metrics) -> list[str]:
    """Why the figures of two evaluations cannot be set side by side; empty when they can."""
    theirs = _must_agree(b)
    return [name for name, value in _must_agree(a).items() if theirs[name] != value]


def check_comparable(metrics: Metrics, other: Metrics, force: bool) -> list[str]:
    """The differences, to be marked; raises :class:`InputError` for any unless ``force``."""
    differ = differences(metrics, other)
    if differ and not force:
        raise InputError(f"`compare`: the two evaluations differ in {', '.join(differ)}; `force` shows them, marked")
    return differ


def check_before(plan: Plan, other: Metrics, force: bool) -> None:
    """As :func:`check_comparable`, of the evaluation that ``plan`` is going to be: before hours of it."""
    if force:
        return
    lpips = {method: {"lpips": {"backbone": plan.perceptual}} for method in plan.methods}
    ahead: dict[str, Any] = {**other, "convention": plan.convention, "size": plan.size, "methods": lpips}
    check_comparable(cast(Metrics, ahead), other, force)  # no picture needs to be read for these
    check_comparable(cast(Metrics, {**look_at(plan), "methods": lpips}), other, force)


def _must_agree(metrics: Metrics) -> dict[str, Any]:
    """What figures depend on beside the method, by its name in messages."""
    return {
        "data": metrics["data_sha256"],
        "masks": metrics["masks"]["sha256"],
        "convention": metrics["convention"],
        "picture size": metrics["size"],
        "LPIPS backbone": {figures["lpips"]["backbone"] for figures in metrics["methods"].values()},
    }
