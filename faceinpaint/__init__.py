"""faceinpaint: fills holes in face photographs.

``Inpainter.load(weights)(image, mask)`` restores one picture; ``restore(input=, masks=, output=, weights=)`` an
archive, on Ray: its keywords are the fields of ``Options`` and the flags of ``faceinpaint restore``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceinpaint.inference.inpainter import Inpainter
    from faceinpaint.inference.restore import Options, restore

__all__ = ["Inpainter", "Options", "restore"]


def __getattr__(name: str) -> Any:
    """Torch and Ray take seconds to import: they wait until they are asked for."""
    if name == "Inpainter":
        from faceinpaint.inference.inpainter import Inpainter

        return Inpainter
    if name in ("Options", "restore"):
        from faceinpaint.inference import restore

        return getattr(restore, name)
    raise AttributeError(name)
