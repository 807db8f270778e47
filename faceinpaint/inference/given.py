"""What the examining step is given: each input with the settings that hold for it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from faceinpaint.data.mask_spec import Proposed
from faceinpaint.inference.proposals import Found
from faceinpaint.inference.travel import Settings

Given = tuple[str, bytes | None, str | None, Settings, str | None]  # key, bytes, error, settings, stamp


def inputs(batch: dict[str, np.ndarray], settings: Settings) -> Iterator[Given]:
    """What the examining step takes for each row of a batch.

    With masks ``detect`` the detector has been there before: its column ``found`` says each picture's hole.
    """
    rows = zip(*(batch[name] for name in ("key", "image", "error", "stamp")), strict=True)
    for i, (key, data, error, stamp) in enumerate(rows):
        own = settings
        if "found" in batch:
            found: Found = pickle.loads(batch["found"][i])
            own = replace(settings, masks=proposed(found))
        yield str(key), data, error, own, stamp


def proposed(found: Found) -> Proposed:
    """What the detector found, as the mask of its picture."""
    row = found.row
    why_not = row.reason or "no damage found"
    if row.status == "unsure":
        why_not = f"no damage surely found: {row.reason}"
    return Proposed(found.png, why_not, failed=row.status == "failed")
