"""Values that the processes of a run share: held in Ray's object store, or, in a process without Ray, as they are."""

from __future__ import annotations

import os
import sys
from typing import Any


def held(value: Any) -> Any:
    """What a Ray reference refers to; anything else is itself. Imports no Ray."""
    ray = sys.modules.get("ray")
    return ray.get(value) if ray is not None and isinstance(value, ray.ObjectRef) else value


def ray_is_there() -> bool:
    """Whether this process is connected to Ray, or is to join a cluster: then few pictures go there too."""
    return bool(os.environ.get("RAY_ADDRESS")) or ray_is_connected()


def ray_is_connected() -> bool:
    """Whether this process is connected to Ray. Imports no Ray."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()
