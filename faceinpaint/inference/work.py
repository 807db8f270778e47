"""One picture of an archive: what is found out before the model runs, and what is done with what it painted."""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

import cv2
import numpy as np

from faceinpaint.data.faces import Alignment
from faceinpaint.data.mask_spec import Alpha, MaskSpec, hole_for
from faceinpaint.data.routing import Patch, cut, paste, route
from faceinpaint.data.user_masks import Polarity
from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.inference.row import LedgerRow, Status
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
    files; keep_masks: holes are kept as OUTPUT/masks/KEY.png; in_memory: the file is handed back, not written.
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
    in_memory: bool = False
    model_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A picture before the model. A status in ``row`` means that it is done with: nothing else is set then.

    data: the input's bytes; patches: parts for the model, with ``crops`` uint8 (P, S, S, 3) and ``holes`` uint8
    (P, S, S), 1 in the hole; fills: parts that get a classical fill.
    """

    row: LedgerRow
    data: bytes = b""
    patches: list[Patch] = field(default_factory=list)
    fills: list[Patch] = field(default_factory=list)
    crops: np.ndarray | None = None
    holes: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Painted:
    """A picture after the model. patches: what it made of each of ``examined.crops``, uint8 (P, S, S, 3)."""

    examined: Examined
    patches: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A picture whose row is complete.

    picture: the encoded file, where outputs are rows of Parquet; sheet: thumbnails for the report (:func:`_sheet`).
    """

    row: LedgerRow
    picture: bytes = b""
    sheet: dict[str, np.ndarray] = field(default_factory=dict)


Step = TypeVar("Step", Examined, Finished)


def pack(steps: Sequence[Examined | Painted | Finished]) -> np.ndarray:
    """Pictures as a column of bytes, as they travel between the processes of one run (and nowhere else)."""
    column = np.empty(len(steps), object)
    column[:] = [pickle.dumps(step, pickle.HIGHEST_PROTOCOL) for step in steps]
    return column


def unpack(column: np.ndarray) -> list[Any]:
    """Inverse of :func:`pack`."""
    return [pickle.loads(step) for step in column]


def examine(key: str, data: bytes | None, error: str | None, settings: Settings) -> Examined:
    """Decode, find hole and faces, and cut out what the model has to see; trouble becomes the row's status."""
    began = time.perf_counter()
    row = LedgerRow(key=key, model_sha256=settings.model_sha256)
    examined = Examined(row=row)
    if data is None:
        row.status, row.reason = "failed", error or "no picture"
    else:
        row.input_sha256 = hashlib.sha256(data).hexdigest()
        examined = _guarded(row, partial(_plan, row, data, settings), examined)
    row.seconds = time.perf_counter() - began
    return examined


def finish(painted: Painted, settings: Settings) -> Finished:
    """Put the painted patches back, write the picture, and complete the row."""
    began = time.perf_counter()
    row = painted.examined.row
    finished = Finished(row=row)
    if row.status is None:
        finished = _guarded(row, partial(_complete, painted, settings), finished)
    row.seconds += time.perf_counter() - began
    return finished


def _guarded(row: LedgerRow, step: Callable[[], Step], otherwise: Step) -> Step:
    """The one boundary around a single picture: whatever is wrong with it costs its row, never the job."""
    try:
        return step()
    except NoPhotographError as error:
        row.status, row.reason = "skipped", first_line(error)
    except InputError as error:
        row.status, row.reason = "failed", first_line(error)
    except Exception as error:  # hostile files make decoders raise anything
        row.status, row.reason = "failed", f"{type(error).__name__}: {first_line(error)}"
    row.output = row.output_sha256 = None  # nothing stands there
    return otherwise


def _plan(row: LedgerRow, data: bytes, settings: Settings) -> Examined:
    check_key(row.key, settings)
    photo = read_photo(data)
    rgb = photo.rgb
    hole = hole_for(settings.masks, row.key, rgb, photo.alpha, settings.polarity, settings.image_size)
    row.mask_sha256 = hashlib.sha256(repr(hole.shape).encode() + np.packbits(hole).tobytes()).hexdigest()
    row.hole_ratio = float(hole.mean())
    patches, fills = route(rgb, hole, settings.image_size, settings.alignment), []
    without = [patch for patch in patches if patch.kind == "none"]
    row.faces = len(patches) - len(without)
    if without and settings.no_face == "skip":
        raise NoPhotographError("no face at a hole")
    if settings.no_face == "classical":
        fills, patches = without, [patch for patch in patches if patch.kind != "none"]
    if not patches:
        return Examined(row=row, data=data, fills=fills)
    crops, holes = zip(*(cut(rgb, hole, patch) for patch in patches), strict=True)
    return Examined(row=row, data=data, patches=patches, fills=fills, crops=np.stack(crops), holes=np.stack(holes))


def check_key(key: str, settings: Settings) -> None:
    """Raises :class:`InputError` for a key that is no path below the output, or one that the job itself needs."""
    if settings.as_rows or settings.in_memory:
        return
    parts = key.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in key:
        raise InputError("the name is no plain path below the output folder")
    if key.endswith(".bmp.xmp") or parts[-1].startswith(PART):
        raise InputError("the name is that of a BMP's sidecar or of a half-written file: rename the input")
    if parts[0] in RESERVED:
        raise InputError(f"the name {parts[0]!r} is the job's own under OUTPUT: rename the input")


def _complete(painted: Painted, settings: Settings) -> Finished:
    examined, row = painted.examined, painted.examined.row
    photo = read_photo(examined.data)
    before = photo.rgb
    hole = np.zeros(before.shape[:2], np.uint8)
    for patch in examined.patches + examined.fills:
        _part(hole, patch)[:] |= patch.hole
    after = _filled(painted, before, hole)
    row.seam_error, row.status, row.reason = seam_error(after, hole), _status(examined), _reason(examined)
    samples = photo.with_hole(after, hole, opaque=isinstance(settings.masks, Alpha))
    statement = {"Hole": f"{row.hole_ratio:.4f}", "Status": row.status, "Model": settings.model_sha256}
    xmp = with_provenance(photo.file.info.get("xmp"), statement | {"Mask": row.mask_sha256 or ""})
    # A row has no sidecar for a BMP's statement, and keeps nothing lossy.
    as_png = settings.as_png or (settings.as_rows and (not photo.lossless or photo.format == "BMP"))
    data = encode_photo(photo, samples, xmp, as_png)
    row.output_sha256 = hashlib.sha256(data).hexdigest()
    sheet = _sheet(painted, before, hole, after)
    if settings.as_rows or settings.in_memory:
        return Finished(row=row, picture=data, sheet=sheet)
    row.output = f"{row.key}.png" if settings.as_png else row.key
    write_bytes(join(settings.output, row.output), data)
    if photo.format == "BMP" and not as_png:  # has no place for it inside
        write_bytes(join(settings.output, f"{row.output}.xmp"), xmp)
    if settings.keep_masks:
        png = cv2.imencode(".png", hole * 255)[1].tobytes()
        write_bytes(join(settings.output, "masks", f"{row.key}.png"), png)
    return Finished(row=row, sheet=sheet)


def _filled(painted: Painted, before: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """``before`` with all patches pasted and all fills made; none looks at damage that another has yet to fill."""
    after, damage = before, hole.copy()
    for i, patch in enumerate(painted.examined.patches):
        assert painted.patches is not None
        after = paste(after, painted.patches[i], patch, damage, feather=0 if patch.kind == "aligned" else None)
        _part(damage, patch)[:] -= patch.hole
    for patch in painted.examined.fills:
        after = classical_fill(after, patch, damage)
        _part(damage, patch)[:] -= patch.hole
    return after


def _part(mask: np.ndarray, patch: Patch) -> np.ndarray:
    x0, y0, x1, y1 = patch.box
    return mask[y0:y1, x0:x1]


def _status(examined: Examined) -> Status:
    no_face = examined.fills or any(patch.kind == "none" for patch in examined.patches)
    return "restored-fallback" if no_face else "restored"


def _reason(examined: Examined) -> str | None:
    if examined.fills:
        return f"no face at {len(examined.fills)} hole(s): filled from the edges"
    crops = sum(patch.kind == "none" for patch in examined.patches)
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


def doubt(row: LedgerRow) -> float:
    """How much a restored row deserves a look before the report knows more: large holes and visible seams do."""
    return (row.hole_ratio or 0.0) + (row.seam_error or 0.0) / 64


def _sheet(painted: Painted, before: np.ndarray, hole: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    """Thumbnails of the picture, and the first face as the model saw (face, face_hole) and painted it (face_after)."""
    sheet = {"before": thumbnail(before), "hole": thumbnail(hole * 255), "after": thumbnail(after)}
    crops, holes = painted.examined.crops, painted.examined.holes
    if painted.examined.row.faces and crops is not None and holes is not None and painted.patches is not None:
        sheet |= {"face": crops[0], "face_hole": holes[0], "face_after": painted.patches[0]}
    return sheet


def thumbnail(picture: np.ndarray, side: int = 192) -> np.ndarray:
    """``picture`` uint8 (H, W, ...), made smaller until no side is longer than ``side``."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
