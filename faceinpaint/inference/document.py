"""Inputs of several pages: each page is a picture by the same rule for its mask, and the file stays one file.

A page without a hole by that rule (an empty mask, no marker, nothing transparent) stays as it is; any other trouble
with a page is trouble with its file. Everything else goes straight to the steps of a single picture.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from faceinpaint.data.mask_spec import Proposed
from faceinpaint.inference import work
from faceinpaint.inference.compose import Plan
from faceinpaint.inference.row import LedgerRow, Status
from faceinpaint.inference.travel import Examined, Finished, Painted, Settings
from faceinpaint.photos.pages import bound, pages_of
from faceinpaint.photos.stale import joined
from faceinpaint.storage import join, write_bytes

NO_HOLE = ("empty mask", "no transparency")  # starts of reasons that leave a page as it is


@dataclass(frozen=True, kw_only=True)
class Document(Examined):
    """A file of several pages. pages: each examined by itself; ``plan`` has the patches, crops and holes of all pages,
    in order; dropped: what taking the file apart left out."""

    pages: list[Examined] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def examine(key: str, data: bytes | None, error: str | None, settings: Settings, stamp: str | None = None) -> Examined:
    """:func:`faceinpaint.inference.work.examine`, for files of one page or several."""
    began = time.perf_counter()
    try:
        pages, dropped = pages_of(data) if data is not None else ([], [])
    except Exception:  # the single step says what is wrong, in a row
        pages, dropped = [], []
    if len(pages) < 2 or isinstance(settings.masks, Proposed):  # the detector looks at single pictures
        return work.examine(key, data, error, settings, stamp)
    row = LedgerRow(key=key, model_sha256=settings.model_sha256, input_stamp=stamp)
    row.input_sha256 = hashlib.sha256(data or b"").hexdigest()
    examined = [work.examine(key, page, None, replace(settings, apart=True)) for page in pages]
    row.mask_stamp = examined[0].row.mask_stamp
    document = _together(row, examined, dropped)
    row.seconds = time.perf_counter() - began
    return document


def finish(painted: Painted, settings: Settings) -> Finished:
    """:func:`faceinpaint.inference.work.finish`, for files of one page or several."""
    document = painted.examined
    if not isinstance(document, Document) or document.row.status is not None:
        return work.finish(painted, settings)
    began = time.perf_counter()
    finished, first = [], 0
    for page in document.pages:
        own = slice(first, first + len(page.plan.patches))
        first = own.stop
        patches = None if painted.patches is None else painted.patches[own]
        guides = None if painted.guides is None else painted.guides[own]
        errors = None if painted.errors is None else painted.errors[own]
        finished.append(_page(Painted(examined=page, patches=patches, guides=guides, errors=errors), settings))
    row = document.row
    _fill_in(row, [page.row for page in finished], document.dropped)
    whole = Finished(row=row)
    if row.status not in ("failed", "skipped"):
        whole = work.guarded(row, partial(_one_file, row, finished, settings), whole)
    row.seconds += time.perf_counter() - began
    return whole


def planned(examined: Examined) -> tuple[Status, str | None]:
    """:func:`faceinpaint.inference.work.planned`, for files of one page or several."""
    if not isinstance(examined, Document):
        return work.planned(examined)
    return _result([(None, None) if _has_no_hole(page) else work.planned(page) for page in examined.pages])


def _one_file(row: LedgerRow, finished: list[Finished], settings: Settings) -> Finished:
    """The pages' pictures as one file, written where outputs are files."""
    data = bound([page.picture for page in finished])
    if settings.credentials is not None:
        work.add_reasons(row, ["not signed: content credentials are not written to files of several pages"])
    row.output_sha256 = hashlib.sha256(data).hexdigest()
    sheet = next((page.sheet for page in finished if page.sheet), {})
    if settings.as_rows or settings.apart:
        return Finished(row=row, picture=data, sheet=sheet)
    row.output = row.key
    write_bytes(join(settings.output, row.output), data)
    return Finished(row=row, sheet=sheet)


def _together(row: LedgerRow, pages: list[Examined], dropped: list[str]) -> Document:
    """The pages as one picture for the model."""
    if all(_has_no_hole(page) for page in pages):
        row.status, row.reason = pages[0].row.status, pages[0].row.reason
        return Document(row=row)
    for number, page in enumerate(pages, 1):
        if page.row.status is not None and not _has_no_hole(page):
            row.status, row.reason = page.row.status, f"page {number}: {page.row.reason}"
            return Document(row=row)
    plans = [page.plan for page in pages]
    plan = Plan(
        patches=[patch for each in plans for patch in each.patches],
        crops=_joined([each.crops for each in plans]),
        holes=_joined([each.holes for each in plans]),
    )
    row.faces = sum(each.routes.faces for each in plans)
    rows = [page.row for page in pages]
    row.mask_sha256 = hashlib.sha256("".join(str(each.mask_sha256) for each in rows).encode()).hexdigest()
    row.hole_ratio = sum(each.hole_ratio or 0.0 for each in rows) / len(rows)
    row.hole_grown = sum(each.hole_grown or 0 for each in rows)
    thumbnails = next(page.thumbnails for page in pages if page.thumbnails)
    return Document(row=row, plan=plan, thumbnails=thumbnails, pages=pages, dropped=dropped)


def _joined(parts: list[np.ndarray | None]) -> np.ndarray | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def _page(painted: Painted, settings: Settings) -> Finished:
    """One page; without a hole it is its own bytes."""
    page = painted.examined
    if _has_no_hole(page):
        return Finished(row=page.row, picture=page.data)
    return work.finish(painted, replace(settings, apart=True))


def _has_no_hole(page: Examined) -> bool:
    return page.row.status == "failed" and str(page.row.reason).startswith(NO_HOLE)


def _fill_in(row: LedgerRow, pages: list[LedgerRow], dropped: list[str]) -> None:
    """A document's row from its pages'."""
    restored = [page for page in pages if page.fidelity is not None]
    for number, page in enumerate(pages, 1):
        if page.status in ("failed", "skipped") and not str(page.reason).startswith(NO_HOLE):
            row.status, row.reason = page.status, f"page {number}: {page.reason}"
            return
    row.status, row.reason = _result([(page.status, page.reason if page in restored else None) for page in pages])
    row.confidence = min(page.confidence or 0.0 for page in restored)
    row.route = "; ".join(f"page {n}: {page.route}" for n, page in enumerate(pages, 1) if page in restored)
    row.seam_error = max(page.seam_error or 0.0 for page in restored)
    row.fidelity = max((str(page.fidelity) for page in restored), key=_doubt_of)
    row.dropped = joined(dropped + [note for page in restored for note in (page.dropped or "").split("; ") if note])


def _result(pages: list[tuple[Status | None, str | None]]) -> tuple[Status, str | None]:
    """A document's status and reason from those of its pages, of which none is in trouble."""
    reasons = [f"page {n}: {reason}" for n, (_, reason) in enumerate(pages, 1) if reason]
    fallback = any(status == "restored-fallback" for status, _ in pages)
    return "restored-fallback" if fallback else "restored", "; ".join(reasons) or None


def _doubt_of(fidelity: str) -> int:
    """How far a fidelity is from exact."""
    return {"exact": 0, "blocks": 1}.get(fidelity, 2)
