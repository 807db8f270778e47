"""One photograph of any size in Python: the steps of bulk restoration, on pictures in memory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from faceinpaint.data.growth import Grow
from faceinpaint.data.marked_holes import Reading
from faceinpaint.data.mask_pictures import mask_of
from faceinpaint.data.mask_spec import MaskFile
from faceinpaint.data.user_masks import Polarity
from faceinpaint.errors import InputError
from faceinpaint.images import check_rgb
from faceinpaint.inference.inpainter import Inpainter, Picture
from faceinpaint.inference.painter import Painter
from faceinpaint.inference.travel import Settings, pack, unpack
from faceinpaint.inference.work import examine, finish

NAME = "photograph"  # its key; it has no file


def restore_photograph(
    inpainter: Inpainter | str | Path,
    image: Picture,
    mask: Image.Image | np.ndarray,
    *,
    mask_polarity: Polarity | None = None,
    no_face: Literal["skip", "classical", "crop"] = "classical",
    grow_holes: Grow = "auto",
) -> Picture:
    """Restore a photograph of any size as ``faceinpaint restore`` does: faces are found, each hole goes to its face.

    Args:
        inpainter: a loaded method, or the weights folder to load it from: load once to restore many.
        image: PIL of a mode that PNG has, or uint8 RGB (H, W, 3).
        mask: of the same size, PIL of any mode or an array (H, W); levels from 128 up are white.
        mask_polarity: white-is-hole, black-is-hole or auto; None: white is the hole, and a mask that seems inverted is
            refused.
        no_face: what a hole without a face gets: a classical fill, what the model makes of its surroundings, or an
            error.
        grow_holes: pixels about every hole, or "auto": what the damage touches; 0 fills the marked pixels alone.

    Returns the kind and size that came in; outside the holes it is the input, bit for bit. Raises :class:`InputError`
    with the reason that a ledger row would have.
    """
    if isinstance(inpainter, str | Path):
        inpainter = Inpainter.load(inpainter)
    settings = Settings(
        output="",
        masks=MaskFile(mask_of(mask)),
        reading=Reading(polarity=mask_polarity, grow=grow_holes),
        image_size=inpainter.image_size,
        alignment=inpainter.config.alignment,
        no_face=no_face,
        as_png=True,
        as_rows=True,  # the finished picture comes back instead of being written
        model_sha256=inpainter.model_sha256,
    )
    examined = examine(NAME, _png(image), None, settings)
    (painted,) = unpack(Painter(inpainter, batch=1)({"work": pack([examined])})["work"])
    finished = finish(painted, settings)
    if not finished.picture:
        raise InputError(finished.row.reason or "the photograph could not be restored")
    with Image.open(io.BytesIO(finished.picture)) as restored:
        restored.load()
    return restored if isinstance(image, Image.Image) else np.asarray(restored)


def _png(picture: Image.Image | np.ndarray) -> bytes:
    """A picture in memory as a file, quickly; nothing of its pixels is lost."""
    if isinstance(picture, np.ndarray):
        return _png(Image.fromarray(check_rgb(picture)))
    if not all(picture.size):
        raise InputError(f"the image has no pixels: {picture.width}x{picture.height}")
    sink = io.BytesIO()
    try:
        picture.save(sink, "PNG", compress_level=1)
    except OSError as error:  # a mode that PNG has not
        raise InputError(f"an image of mode {picture.mode} cannot be restored: convert it to RGB ({error})") from None
    return sink.getvalue()
