"""One picture of an archive: what is found out before the model runs, and what is done with what it painted."""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TypeVar

import cv2
import numpy as np

from faceinpaint.data.faces import Alignment
from faceinpaint.data.holes import Reading, Subject, bring_mask, find_hole
from faceinpaint.data.mask_spec import Alpha, MaskSpec
from faceinpaint.data.routing import Patch, cut, moved, paste, route
from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.images import upright
from faceinpaint.inference.row import LedgerRow, Status
from faceinpaint.inference.thumbs import thumbnail
from faceinpaint.photos.coding import PhotoFile
from faceinpaint.photos.photo import Part, Photo, encode_photo, open_photo, read_photo
from faceinpaint.photos.provenance import with_provenance
from faceinpaint.photos.stale import fresh_xmp, joined
from faceinpaint.photos.view import View
from faceinpaint.storage import PART, first_line, join, write_bytes

RESERVED = ("ledger", "_job", "masks", "report.html", "dry-run.html")  # names of OUTPUT that no picture may take
# Names that statements take beside pictures that have no place for one
SIDECARS = tuple(f".{kind}.xmp" for kind in ("bmp", "gif", "tga", "pnm", "pgm", "ppm", "pbm", "j2k", "j2c", "jpc"))
CLASSICAL_MARGIN = 16  # pixels of surroundings a classical fill sees
PART_MARGIN, PART_SHARE = 128, 1 / 16  # surroundings of all holes that filling them sees: pixels, share of a patch
MOST_PART = 1 / 4  # of a picture; a larger part is not carried along, but decoded again


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the result for a picture.

    masks and reading: where holes come from; image_size, alignment: of the model; no_face: what happens to a hole
    without a face; as_png: every output is a PNG named after its input; as_rows: outputs are rows of Parquet, not
    files; keep_masks: holes are kept as OUTPUT/masks/KEY.png.
    """

    output: str
    masks: MaskSpec
    reading: Reading = Reading(grow="auto")
    image_size: int
    alignment: Alignment
    no_face: Literal["skip", "classical", "crop"] = "classical"
    as_png: bool = False
    as_rows: bool = False
    keep_masks: bool = False
    model_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A picture before the model. A status in ``row`` means that it is done with: nothing else is set then.

    data: the input's bytes; part: of the picture, with all holes, None where it is to be decoded again; thumbnails: of
    the picture (before) and its hole; patches: parts for the model, with ``crops`` uint8 (P, S, S, 3) and ``holes``
    uint8 (P, S, S), 1 in the hole; fills: parts that get a classical fill.
    """

    row: LedgerRow
    data: bytes = b""
    part: Part | None = None
    thumbnails: dict[str, np.ndarray] = field(default_factory=dict)
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


def examine(key: str, data: bytes | None, error: str | None, settings: Settings, stamp: str | None = None) -> Examined:
    """Decode, find hole and faces, and cut out what the model has to see; trouble becomes the row's status."""
    began = time.perf_counter()
    row = LedgerRow(key=key, model_sha256=settings.model_sha256, input_stamp=stamp)
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
    brought = bring_mask(settings.masks, row.key)
    row.mask_stamp = brought and brought.stamp
    found = find_hole(settings.masks, subject_of(row.key, photo), settings.reading, settings.image_size, brought)
    hole = found.pixels
    view = photo.view(hole)
    rgb = upright(view.rgb, photo.file.orientation)
    row.mask_sha256 = hashlib.sha256(repr(hole.shape).encode() + np.packbits(hole).tobytes()).hexdigest()
    row.hole_ratio, row.hole_grown = float(hole.mean()), found.grown
    patches, fills = route(rgb, hole, settings.image_size, settings.alignment), []
    without = [patch for patch in patches if patch.kind == "none"]
    row.faces = len(patches) - len(without)
    if without and settings.no_face == "skip":
        raise NoPhotographError("no face at a hole")
    if settings.no_face == "classical":
        fills, patches = without, [patch for patch in patches if patch.kind != "none"]
    part = _part_of(photo, view, rgb.shape[:2], patches + fills)
    thumbnails = {"before": thumbnail(rgb), "hole": thumbnail(hole * 255)}
    examined = Examined(row=row, data=data, part=part, thumbnails=thumbnails, patches=patches, fills=fills)
    if not patches:
        return examined
    crops, holes = zip(*(cut(rgb, hole, patch) for patch in patches), strict=True)
    return replace(examined, crops=np.stack(crops), holes=np.stack(holes))


def subject_of(key: str, photo: Photo) -> Subject:
    """A photo as the search for its hole wants it."""
    file = photo.file
    return Subject(key=key, picture=photo.rgb, alpha=photo.alpha, orientation=file.orientation, block=file.block)


def _part_of(photo: Photo, view: View, size: tuple[int, int], patches: list[Patch]) -> Part | None:
    """What filling the holes of all patches sees; None where that is much of the picture of ``size`` (H, W)."""
    height, width = size
    x0, y0 = (min(patch.box[i] for patch in patches) for i in (0, 1))
    x1, y1 = (max(patch.box[i] for patch in patches) for i in (2, 3))
    side = max(patch.size / np.sqrt(abs(np.linalg.det(patch.matrix[:, :2]))) for patch in patches)
    margin = max(PART_MARGIN, round(side * PART_SHARE))
    box = (max(0, x0 - margin), max(0, y0 - margin), min(width, x1 + margin), min(height, y1 + margin))
    area = (box[2] - box[0]) * (box[3] - box[1])
    return photo.part(box, view) if area <= MOST_PART * height * width else None


def check_key(key: str, settings: Settings) -> None:
    """Raises :class:`InputError` for a key that is no path below the output, or one that the job itself needs."""
    if settings.as_rows:
        return
    parts = key.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in key:
        raise InputError("the name is no plain path below the output folder")
    if key.lower().endswith(SIDECARS) or parts[-1].startswith(PART):
        raise InputError("the name is that of a picture's sidecar or of a half-written file: rename the input")
    if parts[0] in RESERVED:
        raise InputError(f"the name {parts[0]!r} is the job's own under OUTPUT: rename the input")


def _complete(painted: Painted, settings: Settings) -> Finished:
    examined, row = painted.examined, painted.examined.row
    file, part, decoded = open_photo(examined.data), examined.part, None
    x0, y0, x1, y1 = (0, 0, *file.upright_size[::-1]) if part is None else part.box
    hole = np.zeros((y1 - y0, x1 - x0), np.uint8)
    patches, fills = ([moved(patch, x0, y0) for patch in kind] for kind in (examined.patches, examined.fills))
    for patch in patches + fills:
        _part(hole, patch)[:] |= patch.hole
    if part is None:
        photo = read_photo(examined.data)
        file, decoded, part = photo.file, photo.decoded, photo.part((x0, y0, x1, y1), photo.view(hole))
    after = _filled(part.rgb, hole, patches, painted.patches, fills)
    row.seam_error, (row.status, row.reason) = seam_error(after, hole), planned(examined)
    old_xmp, stale = fresh_xmp(file.xmp)
    xmp = _statement(old_xmp, row, settings)
    as_png = settings.as_png or (settings.as_rows and not _stays_in_rows(file))
    change = part.change(after, hole, opaque=isinstance(settings.masks, Alpha))
    written = encode_photo(file, change, xmp, as_png, decoded)
    data = written.data
    row.fidelity, row.dropped = written.fidelity, joined(stale + written.dropped)
    row.output_sha256 = hashlib.sha256(data).hexdigest()
    sheet = _sheet(painted, part, after)
    if settings.as_rows:
        return Finished(row=row, picture=data, sheet=sheet)
    row.output = f"{row.key}.png" if settings.as_png else row.key
    write_bytes(join(settings.output, row.output), data)
    if not (file.holds_xmp or as_png):
        write_bytes(join(settings.output, f"{row.output}.xmp"), xmp)
    if settings.keep_masks:
        whole = np.zeros(part.size, np.uint8)
        whole[y0:y1, x0:x1] = hole * 255
        png = cv2.imencode(".png", whole)[1].tobytes()
        write_bytes(join(settings.output, "masks", f"{row.key}.png"), png)
    return Finished(row=row, sheet=sheet)


def _statement(xmp: bytes | None, row: LedgerRow, settings: Settings) -> bytes:
    values = {"Hole": f"{row.hole_ratio:.4f}", "Status": str(row.status), "Model": settings.model_sha256}
    return with_provenance(xmp, values | {"Mask": row.mask_sha256 or ""})


def _stays_in_rows(file: PhotoFile) -> bool:
    """Whether a row of Parquet keeps the file's format: it has no sidecar for a statement, and keeps nothing lossy."""
    return file.lossless and file.holds_xmp


def _filled(
    before: np.ndarray, hole: np.ndarray, patches: list[Patch], painted: np.ndarray | None, fills: list[Patch]
) -> np.ndarray:
    """``before`` with all patches pasted and all fills made; none looks at damage that another has yet to fill."""
    after, damage = before, hole.copy()
    for i, patch in enumerate(patches):
        assert painted is not None
        after = paste(after, painted[i], patch, damage, feather=0 if patch.kind == "aligned" else None)
        _part(damage, patch)[:] -= patch.hole
    for patch in fills:
        after = classical_fill(after, patch, damage)
        _part(damage, patch)[:] -= patch.hole
    return after


def _part(mask: np.ndarray, patch: Patch) -> np.ndarray:
    x0, y0, x1, y1 = patch.box
    return mask[y0:y1, x0:x1]


def planned(examined: Examined) -> tuple[Status, str | None]:
    """Status and reason of a picture whose restoration goes as it should."""
    return _status(examined), _reason(examined)


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


def _sheet(painted: Painted, part: Part, after: np.ndarray) -> dict[str, np.ndarray]:
    """Thumbnails of the picture, and the first face as the model saw (face, face_hole) and painted it (face_after)."""
    sheet = dict(painted.examined.thumbnails)
    sheet["after"] = _with_part(sheet["before"], part, after)
    crops, holes = painted.examined.crops, painted.examined.holes
    if painted.examined.row.faces and crops is not None and holes is not None and painted.patches is not None:
        sheet |= {"face": crops[0], "face_hole": holes[0], "face_after": painted.patches[0]}
    return sheet


def _with_part(thumbnail: np.ndarray, part: Part, after: np.ndarray) -> np.ndarray:
    """A picture's thumbnail with the new pixels of its part."""
    result, scale = thumbnail.copy(), thumbnail.shape[0] / part.size[0]
    x0, y0, x1, y1 = (round(side * scale) for side in part.box)
    if x1 > x0 and y1 > y0:
        result[y0:y1, x0:x1] = cv2.resize(after, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    return result
