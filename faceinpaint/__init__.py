"""faceinpaint: fills holes in face photographs.

``Inpainter.load(weights)(image, mask)`` restores one picture; ``restore(input=, masks=, output=, weights=)`` an
archive, on Ray: its keywords are the fields of ``Options`` and the flags of ``faceinpaint restore``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceinpaint.inference.inpainter import Inpainter
    from faceinpaint.inference.options import Options
    from faceinpaint.inference.restore import restore

__all__ = ["Inpainter", "Options", "restore"]


def __getattr__(name: str) -> Any:
    """Torch and Ray take seconds to import: they wait until they are asked for."""
    if name == "Inpainter":
        from faceinpaint.inference.inpainter import Inpainter

        return Inpainter
    if name == "Options":
        from faceinpaint.inference.options import Options

        return Options
    if name == "restore":
        from faceinpaint.inference.restore import restore

        return restore
    raise AttributeError(name)
