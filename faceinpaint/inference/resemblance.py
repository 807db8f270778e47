"""Whether a restored face is still the same person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from faceinpaint.data.faces import Alignment
from faceinpaint.losses.identity import load_identity
from faceinpaint.tensors import to_float

if TYPE_CHECKING:
    from faceinpaint.inference.gallery import Entry


@torch.inference_mode()
def measure_identity(entries: list[Entry], alignment: Alignment) -> None:
    """Fill in ``similarity``: the visible part (its hole filled from the edges) against the restored face."""
    with_face = [entry for entry in entries if "face_after" in entry.sheet]
    if not with_face:
        return
    network = load_identity(None, alignment)
    for entry in with_face:
        sheet = entry.sheet
        visible = cv2.inpaint(np.ascontiguousarray(sheet["face"]), sheet["face_hole"], 3, cv2.INPAINT_TELEA)
        distance = network(to_float(visible[None]), to_float(sheet["face_after"][None]))
        entry.similarity = 1 - float(distance.mean())
