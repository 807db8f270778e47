"""One picture of an archive: what is found out before the model runs, and what is done with what it painted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import cv2
import numpy as np

from faceinpaint.data.marked_holes import Subject, bring_mask, find_hole
from faceinpaint.data.mask_spec import Alpha
from faceinpaint.data.routing import route
from faceinpaint.data.search import HALVED
from faceinpaint.encoding import mask_png
from faceinpaint.errors import InputError, JobError, NoPhotographError
from faceinpaint.images import halved, upright
from faceinpaint.inference.compose import Plan, compose, plan_for
from faceinpaint.inference.confidence import confidence
from faceinpaint.inference.row import LedgerRow, Status, blame
from faceinpaint.inference.seam import seam_error
from faceinpaint.inference.thumbs import hole_thumbnail, thumbnail, with_part
from faceinpaint.inference.travel import Examined, Finished, Painted, Settings
from faceinpaint.photos.coding import PhotoFile
from faceinpaint.photos.credentials import SIGNED, can_hold, signed
from faceinpaint.photos.photo import Part, Photo, check_png_holds, encode_photo, open_photo, read_photo
from faceinpaint.photos.provenance import with_provenance
from faceinpaint.photos.stale import CREDENTIALS, fresh_xmp, joined
from faceinpaint.photos.view import View
from faceinpaint.storage import PART, join, write_bytes

RESERVED = ("ledger", "_job", "masks", "report.html", "dry-run.html")  # names of OUTPUT that no picture may take
# Names that statements take beside pictures that have no place for one
SIDECARS = tuple(f".{kind}.xmp" for kind in ("bmp", "gif", "tga", "pnm", "pgm", "ppm", "pbm", "j2k", "j2c", "jpc"))
MOST_PART = 1 / 4  # of a picture; a larger part is not carried along, but decoded again

Step = TypeVar("Step", Examined, Finished)


def examine(key: str, data: bytes | None, error: str | None, settings: Settings, stamp: str | None = None) -> Examined:
    """Decode, find hole and faces, and cut out what the model has to see; trouble becomes the row's status."""
    began = time.perf_counter()
    row = LedgerRow(key=key, model_sha256=settings.model_sha256, input_stamp=stamp)
    examined = Examined(row=row, data=data or b"" if settings.apart else b"")
    if data is None:
        row.status, row.reason = "failed", error or "no picture"
    else:
        row.input_sha256 = hashlib.sha256(data).hexdigest()
        examined = guarded(row, partial(_plan, row, data, settings), examined)
    row.seconds = time.perf_counter() - began
    return examined


def finish(painted: Painted, settings: Settings) -> Finished:
    """Put the painted patches back, write the picture, and complete the row."""
    began = time.perf_counter()
    row = painted.examined.row
    finished = Finished(row=row)
    if row.status is None:
        finished = guarded(row, partial(_complete, painted, settings), finished)
    row.seconds += time.perf_counter() - began
    return finished


def guarded(row: LedgerRow, step: Callable[[], Step], otherwise: Step) -> Step:
    """The one boundary around a single picture: whatever is wrong with it costs its row, never the job."""
    try:
        return step()
    except JobError:  # a full disk is not the picture's fault, and would fail all that follow
        raise
    except Exception as error:  # hostile files make decoders raise anything
        row.status, row.reason = blame(error)
    row.output = row.output_sha256 = None  # nothing stands there
    return otherwise


def _plan(row: LedgerRow, data: bytes, settings: Settings) -> Examined:
    check_key(row.key, settings)
    photo = read_photo(data)
    if settings.as_png and not settings.apart:
        check_png_holds(photo.decoded)
    brought = bring_mask(settings.masks, row.key)
    row.mask_stamp = brought.stamp if brought else None
    found = find_hole(settings.masks, subject_of(row.key, photo), settings.reading, settings.image_size, brought)
    hole = found.pixels
    view = photo.view(hole)
    rgb = upright(view.rgb, photo.file.orientation)
    row.mask_sha256 = hashlib.sha256(repr(hole.shape).encode() + np.packbits(hole).tobytes()).hexdigest()
    row.hole_ratio, row.hole_grown = cv2.countNonZero(hole) / hole.size, found.grown
    small = halved(rgb, HALVED)
    plan = _routed(rgb, hole, small, settings)
    row.faces = plan.routes.faces
    thumbnails = {"before": thumbnail(small), "hole": hole_thumbnail(hole)}
    return Examined(row=row, data=data, plan=plan, part=_part_of(photo, view, plan), thumbnails=thumbnails)


def subject_of(key: str, photo: Photo) -> Subject:
    """A photo as the search for its hole wants it."""
    file = photo.file
    return Subject(key=key, picture=photo.rgb, alpha=photo.alpha, orientation=file.orientation, block=file.block)


def _part_of(photo: Photo, view: View, plan: Plan) -> Part | None:
    """What filling the holes looks at; None where that is much of the picture."""
    height, width = photo.file.upright_size
    box = plan.reach(height, width)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return photo.part(box, view) if area <= MOST_PART * height * width else None


def _routed(rgb: np.ndarray, hole: np.ndarray, small: np.ndarray, settings: Settings) -> Plan:
    """How the holes are to be filled, with what the model has to see."""
    routes = route(rgb, hole, settings.image_size, settings.alignment, small=small)
    plan = plan_for(rgb, hole, routes, settings.no_face != "crop")
    if plan.without_face and settings.no_face == "skip":
        raise NoPhotographError("no face at a hole")
    return plan


def check_key(key: str, settings: Settings) -> None:
    """Raises :class:`InputError` for a key that is not a path below the output, or one that the job itself needs."""
    if settings.as_rows:
        return
    parts = key.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in key:
        raise InputError("the name is not a plain path below the output folder")
    if key.lower().endswith(SIDECARS) or parts[-1].startswith(PART):
        raise InputError("the name is that of a picture's sidecar or of a half-written file: rename the input")
    if parts[0] in RESERVED:
        raise InputError(f"the name {parts[0]!r} is the job's own under OUTPUT: rename the input")


def _complete(painted: Painted, settings: Settings) -> Finished:
    examined, row = painted.examined, painted.examined.row
    file, part, decoded = open_photo(examined.data), examined.part, None
    if part is None:
        photo = read_photo(examined.data)
        hole = examined.plan.mask(file.upright_size)
        file, decoded, part = photo.file, photo.decoded, photo.whole(photo.view(hole))
    plan = examined.plan
    if painted.patches is not None:
        plan = plan.with_twins(painted.patches, settings.alignment)
    row.route = plan.described()
    plan = plan.moved(*part.box[:2])
    before = part.rgb
    hole = plan.mask(before.shape)
    after = compose(before, hole, plan, painted.patches, painted.guides)
    _describe(row, painted, part, hole, after, settings)
    old_xmp, stale = fresh_xmp(file.xmp)
    xmp = _statement(old_xmp, row, settings)
    as_png = not settings.apart and (settings.as_png or (settings.as_rows and not _stays_in_rows(file)))
    change = part.change(after, hole, opaque=isinstance(settings.masks, Alpha))
    written = encode_photo(file, change, xmp, as_png, decoded)
    row.fidelity, row.dropped = written.fidelity, joined(stale + written.dropped)
    add_reasons(row, written.faults)
    data = _signed(row, examined.data, file.format, written.data, "PNG" if as_png else file.format, settings)
    row.output_sha256 = hashlib.sha256(data).hexdigest()
    sheet = _sheet(painted, part, after)
    if settings.as_rows or settings.apart:
        return Finished(row=row, picture=data, sheet=sheet)
    row.output = f"{row.key}.png" if settings.as_png else row.key
    if settings.keep_masks:
        write_bytes(join(settings.output, "masks", f"{row.key}.png"), mask_png(examined.plan.mask(part.size)))
    if not (file.holds_xmp or as_png):
        write_bytes(join(settings.output, f"{row.output}.xmp"), xmp)
    write_bytes(join(settings.output, row.output), data)  # last: where one of them cannot be written, it is not there
    return Finished(row=row, sheet=sheet)


def _statement(xmp: bytes | None, row: LedgerRow, settings: Settings) -> bytes:
    values = {"Hole": f"{row.hole_ratio:.4f}", "Status": row.status or "", "Model": settings.model_sha256}
    return with_provenance(xmp, values | {"Mask": row.mask_sha256 or ""})


def add_reasons(row: LedgerRow, more: list[str]) -> None:
    """More that is to be said of a row."""
    row.reason = "; ".join(([row.reason] if row.reason else []) + more) or None


def _signed(row: LedgerRow, old: bytes, old_kind: str, data: bytes, kind: str, settings: Settings) -> bytes:
    """The file ``data`` with content credentials, if they are wanted and its format holds them; the row says if not."""
    if settings.credentials is None or settings.apart:
        return data
    if not can_hold(kind):
        add_reasons(row, [f"not signed: content credentials are written to {', '.join(SIGNED)} only"])
        return data
    names = ("input_sha256", "mask_sha256", "model_sha256", "hole_ratio", "status")
    told = {name: getattr(row, name) for name in names}
    new = signed(settings.credentials, kind, data, old, old_kind, told)
    kept = [note for note in (row.dropped or "").split("; ") if note not in ("", CREDENTIALS)]
    row.dropped = joined(kept)  # the old credentials came along, inside the new ones
    return new


def _stays_in_rows(file: PhotoFile) -> bool:
    """Whether a row of Parquet keeps the file's format: it has no sidecar for a statement, and keeps nothing lossy."""
    return file.lossless and file.holds_xmp


def _describe(
    row: LedgerRow, painted: Painted, part: Part, hole: np.ndarray, after: np.ndarray, settings: Settings
) -> None:
    """What the row says of the restored ``part``, which is now ``after``."""
    plan = painted.examined.plan
    row.seam_error = seam_error(after, hole)
    pixels = part.size[0] * part.size[1]
    row.confidence = confidence(plan, painted.patches, pixels, settings.alignment, painted.errors)
    row.status, row.reason = planned(painted.examined)


def planned(examined: Examined) -> tuple[Status, str | None]:
    """Status and reason of a picture whose restoration goes as it should."""
    plan = examined.plan
    crops = sum(patch.kind == "none" for patch in plan.patches)
    filled = plan.without_face - crops
    reasons = [f"no face at {filled} hole(s): filled from the edges"] if filled else []
    reasons += [f"no face at {crops} hole(s): the model saw their surroundings"] if crops else []
    return "restored-fallback" if plan.without_face else "restored", "; ".join(reasons) or None


def _sheet(painted: Painted, part: Part, after: np.ndarray) -> dict[str, np.ndarray]:
    """Thumbnails of the picture, and the first face as the model saw (face, face_hole) and painted it (face_after)."""
    sheet = dict(painted.examined.thumbnails)
    sheet["after"] = with_part(sheet["before"], part, after)
    plan = painted.examined.plan
    faces = bool(plan.patches) and plan.patches[0].kind != "none"  # faces come first
    if faces and plan.crops is not None and plan.holes is not None and painted.patches is not None:
        sheet |= {"face": plan.crops[0], "face_hole": plan.holes[0], "face_after": painted.patches[0]}
    return sheet
