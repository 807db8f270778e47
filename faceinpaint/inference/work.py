"""One picture of an archive: what is found out before the model runs, and what is done with what it painted."""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import cv2
import numpy as np

from faceinpaint.data.faces import Alignment
from faceinpaint.data.mask_spec import Alpha, MaskSpec, hole_for
from faceinpaint.data.routing import Patch, cut, paste, route
from faceinpaint.data.user_masks import Polarity
from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.inference.ledger import ROW, SCHEMA_VERSION
from faceinpaint.photos.photo import encode_photo, read_photo
from faceinpaint.photos.provenance import with_provenance
from faceinpaint.storage import PART, first_line, join, write_bytes

RESERVED = ("ledger", "_job", "masks", "report.html", "dry-run.html")  # names of OUTPUT that no picture may take
CLASSICAL_MARGIN = 16  # pixels of surroundings a classical fill sees


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the result for a picture.

    masks and polarity: where holes come from; image_size, alignment: of the model; no_face: what happens to a hole
    without a face; as_png: every output is a PNG named after its input; as_rows: outputs are rows of Parquet, not
    files; keep_masks: holes are kept as OUTPUT/masks/KEY.png.
    """

    output: str
    masks: MaskSpec
    polarity: Polarity = "white-is-hole"
    image_size: int
    alignment: Alignment
    no_face: Literal["skip", "classical", "crop"] = "classical"
    as_png: bool = False
    as_rows: bool = False
    keep_masks: bool = False
    model_sha256: str = ""


@dataclass
class Work:
    """A picture on its way. ``row``: its ledger row so far; ``patches``: parts for the model, with ``crops`` uint8
    (P, S, S, 3) and ``holes`` uint8 (P, S, S); ``painted``: what the model made of them; ``fills``: holes that get a
    classical fill. A status in ``row`` means that the picture is done with."""

    data: bytes
    row: dict[str, Any]
    patches: list[Patch] = field(default_factory=list)
    fills: list[Patch] = field(default_factory=list)
    crops: np.ndarray | None = None
    holes: np.ndarray | None = None
    painted: np.ndarray | None = None
    picture: bytes = b""  # the finished file, where outputs are rows
    sheet: dict[str, np.ndarray] = field(default_factory=dict)  # pictures for the report: see _sheet


def pack(works: list[Work]) -> np.ndarray:
    """Work as a column of bytes, as it travels between the processes of one run (and nowhere else)."""
    column = np.empty(len(works), object)
    column[:] = [pickle.dumps(work, pickle.HIGHEST_PROTOCOL) for work in works]
    return column


def unpack(column: np.ndarray) -> list[Work]:
    """Inverse of :func:`pack`."""
    return [pickle.loads(work) for work in column]


def examine(key: str, data: bytes | None, error: str | None, settings: Settings) -> Work:
    """Decode, find hole and faces, and cut out what the model has to see; trouble becomes the row's status."""
    began = time.perf_counter()
    row = dict.fromkeys(ROW.names) | {"key": key, "schema": SCHEMA_VERSION, "model_sha256": settings.model_sha256}
    work = Work(data or b"", row)
    if data is None:
        row |= {"status": "failed", "reason": error or "no picture"}
    else:
        row["input_sha256"] = hashlib.sha256(data).hexdigest()
        _guarded(work, lambda: _plan(work, settings))
    row["seconds"] = time.perf_counter() - began
    return work


def finish(work: Work, settings: Settings) -> Work:
    """Put the painted patches back, write the picture, and complete the row."""
    began = time.perf_counter()
    if work.row["status"] is None:
        _guarded(work, lambda: _complete(work, settings))
    work.row["seconds"] += time.perf_counter() - began
    return replace(work, data=b"", patches=[], fills=[], crops=None, holes=None, painted=None)


def _guarded(work: Work, step: Callable[[], None]) -> None:
    """The one boundary around a single picture: whatever is wrong with it costs its row, never the job."""
    try:
        step()
        return
    except NoPhotographError as error:
        outcome = {"status": "skipped", "reason": first_line(error)}
    except InputError as error:
        outcome = {"status": "failed", "reason": first_line(error)}
    except Exception as error:  # hostile files make decoders raise anything
        outcome = {"status": "failed", "reason": f"{type(error).__name__}: {first_line(error)}"}
    work.row |= outcome | {"output": None, "output_sha256": None}  # nothing stands there
    work.sheet, work.picture = {}, b""


def _plan(work: Work, settings: Settings) -> None:
    check_key(work.row["key"], settings)
    photo = read_photo(work.data)
    rgb = photo.rgb
    hole = hole_for(settings.masks, work.row["key"], rgb, photo.alpha, settings.polarity, settings.image_size)
    work.row |= {
        "mask_sha256": hashlib.sha256(repr(hole.shape).encode() + np.packbits(hole).tobytes()).hexdigest(),
        "hole_ratio": float(hole.mean()),
    }
    patches = route(rgb, hole, settings.image_size, settings.alignment)
    without = [patch for patch in patches if patch.kind == "none"]
    work.row["faces"] = len(patches) - len(without)
    if without and settings.no_face == "skip":
        raise NoPhotographError("no face at a hole")
    if settings.no_face == "classical":
        work.fills, patches = without, [patch for patch in patches if patch.kind != "none"]
    work.patches = patches
    if work.patches:
        crops, holes = zip(*(cut(rgb, hole, patch) for patch in work.patches), strict=True)
        work.crops, work.holes = np.stack(crops), np.stack(holes)


def check_key(key: str, settings: Settings) -> None:
    """Raises :class:`InputError` for a key that is no path below the output, or one that the job itself needs."""
    if settings.as_rows:
        return
    parts = key.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in key:
        raise InputError("the name is no plain path below the output folder")
    if key.endswith(".bmp.xmp") or parts[-1].startswith(PART):
        raise InputError("the name is that of a BMP's sidecar or of a half-written file: rename the input")
    if parts[0] in RESERVED:
        raise InputError(f"the name {parts[0]!r} is the job's own under OUTPUT: rename the input")


def _complete(work: Work, settings: Settings) -> None:
    photo = read_photo(work.data)
    before = photo.rgb
    hole = np.zeros(before.shape[:2], np.uint8)
    for patch in work.patches + work.fills:
        _part(hole, patch)[:] |= patch.hole
    after = _filled(work, before, hole)
    row = work.row
    row |= {"seam_error": seam_error(after, hole), "status": _status(work), "reason": _reason(work)}
    samples = photo.with_hole(after, hole, opaque=isinstance(settings.masks, Alpha))
    statement = {"Hole": f"{row['hole_ratio']:.4f}", "Status": row["status"], "Model": settings.model_sha256}
    xmp = with_provenance(photo.file.info.get("xmp"), statement | {"Mask": row["mask_sha256"]})
    # A row has no sidecar for a BMP's statement, and keeps nothing lossy.
    as_png = settings.as_png or (settings.as_rows and (not photo.lossless or photo.format == "BMP"))
    data = encode_photo(photo, samples, xmp, as_png)
    row["output_sha256"] = hashlib.sha256(data).hexdigest()
    work.sheet = _sheet(work, before, hole, after)
    if settings.as_rows:
        work.picture = data
        return
    row["output"] = f"{row['key']}.png" if settings.as_png else row["key"]
    write_bytes(join(settings.output, row["output"]), data)
    if photo.format == "BMP" and not as_png:  # has no place for it inside
        write_bytes(join(settings.output, f"{row['output']}.xmp"), xmp)
    if settings.keep_masks:
        png = cv2.imencode(".png", hole * 255)[1].tobytes()
        write_bytes(join(settings.output, "masks", f"{row['key']}.png"), png)


def _filled(work: Work, before: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """``before`` with all patches pasted and all fills made; none looks at damage that another has yet to mend."""
    after, damage = before, hole.copy()
    for i, patch in enumerate(work.patches):
        assert work.painted is not None
        after = paste(after, work.painted[i], patch, damage, feather=0 if patch.kind == "aligned" else None)
        _part(damage, patch)[:] -= patch.hole
    for patch in work.fills:
        after = classical_fill(after, patch, damage)
        _part(damage, patch)[:] -= patch.hole
    return after


def _part(mask: np.ndarray, patch: Patch) -> np.ndarray:
    x0, y0, x1, y1 = patch.box
    return mask[y0:y1, x0:x1]


def _status(work: Work) -> str:
    no_face = work.fills or any(patch.kind == "none" for patch in work.patches)
    return "restored-fallback" if no_face else "restored"


def _reason(work: Work) -> str | None:
    if work.fills:
        return f"no face at {len(work.fills)} hole(s): filled from the edges"
    crops = sum(patch.kind == "none" for patch in work.patches)
    return f"no face at {crops} hole(s): the model saw their surroundings" if crops else None


def classical_fill(picture: np.ndarray, patch: Patch, damage: np.ndarray) -> np.ndarray:
    """A copy of ``picture`` with the patch's hole filled from its edges (Telea 2004).

    ``damage``: uint8 (H, W), 1 where the picture is not valid, this hole included.
    """
    x0, y0, x1, y1 = patch.box
    top, left = max(0, y0 - CLASSICAL_MARGIN), max(0, x0 - CLASSICAL_MARGIN)
    area = (slice(top, y1 + CLASSICAL_MARGIN), slice(left, x1 + CLASSICAL_MARGIN))
    filled = cv2.inpaint(np.ascontiguousarray(picture[area]), damage[area], 3, cv2.INPAINT_TELEA)
    result = picture.copy()
    result[y0:y1, x0:x1][patch.hole > 0] = filled[y0 - top : y1 - top, x0 - left : x1 - left][patch.hole > 0]
    return result


def seam_error(picture: np.ndarray, hole: np.ndarray) -> float:
    """Mean absolute step between neighbours on either side of the hole's edge, in levels of 255; 0 without an edge.

    picture uint8 (H, W, 3), hole uint8 (H, W).
    """
    x, y, width, height = cv2.boundingRect(hole)
    box = (slice(max(0, y - 1), y + height + 1), slice(max(0, x - 1), x + width + 1))
    levels, inside = picture[box].astype(np.int16), hole[box]
    steps = [
        np.abs(np.diff(levels, axis=axis)).mean(-1)[np.diff(inside.astype(np.int8), axis=axis) != 0] for axis in (0, 1)
    ]
    joined = np.concatenate(steps)
    return float(joined.mean()) if joined.size else 0.0


def doubt(row: dict[str, Any]) -> float:
    """How much a restored row deserves a look before the report knows more: large holes and visible seams do."""
    return (row["hole_ratio"] or 0.0) + (row["seam_error"] or 0.0) / 64


def _sheet(work: Work, before: np.ndarray, hole: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    """Thumbnails of the picture, and the first face as the model saw (face, face_hole) and painted it (face_after)."""
    sheet = {"before": _thumbnail(before), "hole": _thumbnail(hole * 255), "after": _thumbnail(after)}
    if work.row["faces"] and work.crops is not None and work.holes is not None and work.painted is not None:
        sheet |= {"face": work.crops[0], "face_hole": work.holes[0], "face_after": work.painted[0]}
    return sheet


def _thumbnail(picture: np.ndarray, side: int = 192) -> np.ndarray:
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
