"""faceinpaint: fills holes in face photographs.

``Inpainter.load(weights)(image, mask)`` fills the holes of a photograph in memory, all by the model;
``restore_photograph(weights, image, mask)`` gives exactly what the command would write for it, of any kind of picture;
``restore(input=, masks=, output=, weights=)`` restores an archive: its keywords are the fields of ``Options`` and the
flags of ``faceinpaint restore``.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceinpaint.inference.inpainter import Inpainter
    from faceinpaint.inference.options import Options
    from faceinpaint.inference.photograph import restore_photograph
    from faceinpaint.inference.restore import restore

__all__ = ["Inpainter", "Options", "__version__", "restore", "restore_photograph"]
__version__ = "0.2.0"

# Ray reads these when it is imported, and every module of ours is imported after this one.
# Told that there are no clusters here, a Ray of this process's own listens on loopback only; else it would everywhere.
if not os.environ.get("RAY_ADDRESS"):
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
# Lines of Ray's own that would drown ours.
# Without a dashboard Ray Train's cleaner complains every second that it cannot ask it about its controller.
os.environ.setdefault(
    "RAY_DEDUP_LOGS_SKIP_REGEX", "Failed to query Ray Train Controller|maximum number of concurrent tasks"
)
os.environ.setdefault("RAY_TRAIN_ENABLE_PRINT_PATCH", "0")  # it shows each line of a worker twice


LAZY = {"Inpainter": "inpainter", "Options": "options", "restore": "restore", "restore_photograph": "photograph"}


def __getattr__(name: str) -> Any:
    """Torch and Ray take seconds to import: they wait until a name of LAZY, and so its module, is asked for."""
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.inference.{LAZY[name]}"), name)
