"""What has changed since a run that goes on: inputs and masks that are others now, inputs that are gone or are back.

Rows of changed inputs are taken out of the ledger, with what they wrote, so that they are done as new ones are. Rows of
inputs that are gone stay, marked. A change is told by storage's stamp, and then by the bytes.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from faceinpaint.data.marked_holes import bring_mask, mask_row_stamp, mask_stamp
from faceinpaint.data.mask_spec import MaskFile, MaskFolder, MaskParquet, MaskSpec, every_mask
from faceinpaint.data.places import list_keys
from faceinpaint.errors import InputError
from faceinpaint.inference.ledger import GONE_NOTE, Ledger
from faceinpaint.inference.outputs import delete_outputs, without_rows
from faceinpaint.inference.row import ROW
from faceinpaint.inference.table import DIGESTS, contains, digests
from faceinpaint.inference.way import Way
from faceinpaint.storage import as_text, folder_links, list_stamped

READ_TOGETHER = 16  # pictures whose bytes are compared


@dataclass(frozen=True)
class Changes:
    """Keys by what became of their inputs. changed: other bytes, or another mask; gone, back: no longer there, and
    there again as it was; stamps: new stamps of inputs whose bytes are the same."""

    changed: frozenset[str]
    gone: frozenset[str]
    back: frozenset[str]
    stamps: dict[str, str | None]

    def __str__(self) -> str:
        parts = {
            "changed: done again": self.changed,
            "gone: their rows stay": self.gone,
            "back as they were": self.back,
        }
        return "inputs since the last run: " + "; ".join(f"{len(keys)} {what}" for what, keys in parts.items() if keys)

    def __bool__(self) -> bool:
        return bool(self.changed or self.gone or self.back or self.stamps)


def bring_up_to_date(output: str, source: str, masks: MaskSpec, ledger: Ledger, as_rows: bool, way: Way) -> Changes:
    """Make the ledger one of the inputs as they are; returns what was found."""
    found = way.call(_compare_names, source, masks, ledger)
    changes = compare_bytes(way, *found)
    if not changes:
        return changes
    doomed = [
        row
        for _, table in ledger.tables(["key", "output"])
        for row in table.filter(_among(table["key"], changes.changed)).to_pylist()
    ]
    renamed: dict[str, str | None] = {}
    if as_rows:
        renamed = without_rows(output, doomed)
    else:
        delete_outputs(output, doomed)
    ledger.revise(partial(_revised, changes=changes, renamed=renamed))
    return changes


def _compare_names(source: str, masks: MaskSpec, ledger: Ledger) -> tuple[set[str], set[str], dict[str, Any]]:
    """Keys that are gone; those whose mask is another; (row, stamp) by key of inputs whose bytes must be compared."""
    rows: dict[str, Any] = {}
    known_masks = _known_masks(masks)
    for _, table in ledger.tables(["key", "status", "input_stamp", "mask_stamp", "input_sha256", "gone"]):
        rows |= {row["key"]: row for row in table.to_pylist()}
    mask_changed = _with_other_masks(masks, known_masks, list(rows.values()))
    unsure: dict[str, Any] = {}
    for key, stamp in list_keys(source):
        row = rows.pop(key, None)
        if row is not None and (stamp is None or stamp != row["input_stamp"] or row["gone"]):
            unsure[key] = (row, stamp)
    gone = {key for key, row in rows.items() if not row["gone"]}
    return gone, mask_changed - rows.keys(), unsure


def compare_bytes(way: Way, gone: set[str], mask_changed: set[str], unsure: dict[str, Any]) -> Changes:
    """What is found when the bytes of the ``unsure`` are read: (row, stamp now) by key."""
    changed, back, stamps = set(mask_changed), set(), {}
    compare = [key for key, (row, stamp) in unsure.items() if stamp != row["input_stamp"] or stamp is None]
    now = _hashes(way, compare) if compare else {}
    for key, (row, stamp) in unsure.items():
        if key in now and now[key] != row["input_sha256"]:
            changed.add(key)
            continue
        if row["gone"]:
            back.add(key)
        if stamp != row["input_stamp"]:
            stamps[key] = stamp
    return Changes(frozenset(changed), frozenset(gone), frozenset(back - changed), stamps)


def _hashes(way: Way, keys: list[str]) -> dict[str, str | None]:
    """SHA-256 of the inputs' bytes now; None of one that cannot be read."""
    wanted = np.sort(digests(keys))
    found: dict[str, str | None] = {}
    for batch in way.each(partial(contains, wanted), _hash_batch, READ_TOGETHER):
        found.update(zip(batch["key"].tolist(), batch["sha256"].tolist(), strict=True))
    return found


def _hash_batch(batch: dict[str, np.ndarray]) -> dict[str, Any]:
    hashes = [None if image is None else hashlib.sha256(image).hexdigest() for image in batch["image"]]
    return {"key": batch["key"], "sha256": np.array(hashes, object)}


def _known_masks(masks: MaskSpec) -> np.ndarray | None:
    """Sorted digests of the stamp of every mask there is, and of a detection's masks by path; None where masks are no
    files."""
    match masks:
        case MaskFolder():
            listed = [(as_text(path), stamp) for path, _, stamp in list_stamped(masks.uri)]
            known = [mask_stamp(path, stamp) for path, stamp in listed]
            known += [path for path, _ in listed] if masks.proposed else []
        case MaskFile():
            known = [masks.stamp]
        case MaskParquet():
            known = [mask_row_stamp(key, data) for key, data in every_mask(masks.uri)]
        case _:
            return None
    return np.sort(digests(known)) if known else np.empty(0, DIGESTS)


def _with_other_masks(masks: MaskSpec, known: np.ndarray | None, rows: list[dict[str, Any]]) -> set[str]:
    """Keys of the rows whose mask is another now, or gone, or of a picture that was left alone for want of one."""
    if known is None:
        return set()
    stamped = [row for row in rows if row["mask_stamp"]]
    there = contains(known, [row["mask_stamp"] for row in stamped])
    other = [row for row, same in zip(stamped, there, strict=True) if not same]
    if not isinstance(masks, MaskFolder):
        return {row["key"] for row in other}
    if other and any(folder_links(masks.uri)):  # listings do not follow them, a picture's mask is found there
        other = [row for row in other if _mask_stamp_now(masks, row["key"]) != row["mask_stamp"]]
    left = (
        [row["key"] for row in rows if row["status"] == "skipped" and not row["mask_stamp"]] if masks.proposed else []
    )
    marked = contains(known, [as_text(f"{key}.png") for key in left])
    return {row["key"] for row in other} | {key for key, now in zip(left, marked, strict=True) if now}


def _mask_stamp_now(masks: MaskSpec, key: str) -> str | None:
    try:
        brought = bring_mask(masks, key)
    except (InputError, OSError):
        return None
    return brought.stamp if brought else None


def _among(keys: pa.ChunkedArray, wanted: frozenset[str]) -> pa.ChunkedArray:
    return pc.is_in(keys, value_set=pa.array(sorted(wanted), pa.string()))


def _revised(table: pa.Table, changes: Changes, renamed: dict[str, str | None]) -> pa.Table:
    """A ledger file's rows as they should be now; the same table where nothing concerns it."""
    table = table.filter(pc.invert(_among(table["key"], changes.changed)))
    concerned = changes.gone | changes.back | changes.stamps.keys()
    if not pc.any(_among(table["key"], concerned)).as_py() and not renamed:
        return table
    rows = table.to_pylist()
    for row in rows:
        key = row["key"]
        if key in changes.gone:
            row |= {"gone": True, "reason": "; before: ".join(filter(None, [GONE_NOTE, row["reason"]]))}
        if key in changes.back:
            before = (row["reason"] or "").removeprefix(GONE_NOTE).removeprefix("; before: ")
            row |= {"gone": False, "reason": before or None}
        with suppress(KeyError):
            row["input_stamp"] = changes.stamps[key]
        row["output"] = renamed.get(row["output"], row["output"])
    return pa.Table.from_pylist(rows, ROW)
