"""The rows behind a report's page: sorted, grouped by reason, in files that the page loads as it needs them.

They are small scripts, since a page opened from a disk may load scripts and nothing else; and ``ledger.csv``.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from faceinpaint.inference.ledger import GONE, GONE_NOTE, Ledger
from faceinpaint.inference.row import ROW
from faceinpaint.inference.thumbs import thumb_name
from faceinpaint.storage import delete, join, top_names, write_bytes, write_from

ROWS_A_SCRIPT = 1000
EXAMPLES = 3  # names that a group is introduced by
VARIABLE = re.compile(
    r"'[^']*'|#[0-9A-F]{6}\b|\"[^\"]*\"|\d+(?:[.,x]\d+)*"
)  # parts of a reason that differ from picture to picture
LONGEST_HEAD = 60  # characters before a colon that name a reason's kind
WANTED = ("key", "status", "reason", "output", "hole_ratio", "hole_grown", "faces", "seam_error", "confidence")
SHOWN = [name for name in (*WANTED, "fidelity", "route", "dropped") if name in ROW.names]
PROBLEMS = ("failed", "skipped")
ORDER = (*PROBLEMS, "restored-fallback", "restored", GONE)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Inputs of one status and one kind of reason. name: of its scripts; rows: how many; examples: their first keys."""

    name: str
    status: str
    reason: str
    rows: int
    examples: list[str]


def kind_of(reason: str | None) -> str:
    """What reasons of one kind have in common: what stands before a colon, or all but numbers and names."""
    if not reason:
        return ""
    head, colon, _ = reason.partition(": ")
    return VARIABLE.sub("…", head if colon and len(head) <= LONGEST_HEAD else reason)


def write_pages(output: str, folder: str, ledger: Ledger, similarity: dict[str, float]) -> list[Group]:
    """Write the ledger's rows below ``output``/``folder``; returns the groups, ``results`` first, then by status.

    similarity: of identities before and after, by key, of the results that were measured.
    """
    tables = [table for _, table in ledger.tables([*SHOWN, GONE])]
    rows = pa.concat_tables(tables) if tables else ROW.empty_table().select([*SHOWN, GONE])
    written: set[str] = set()
    groups: list[Group] = []
    for status, reason, places in _grouped(rows, doubts(rows, similarity)):
        name = "results" if not groups else f"group-{len(groups)}"
        examples = [rows["key"][place].as_py() for place in places[:EXAMPLES]]
        groups.append(Group(name=name, status=status, reason=reason, rows=len(places), examples=examples))
        for number in range(0, len(places), ROWS_A_SCRIPT):
            script = f"{name}-{number // ROWS_A_SCRIPT}"
            part = rows.take(pa.array(places[number : number + ROWS_A_SCRIPT]))
            write_bytes(join(output, folder, f"{script}.js"), _script(script, part).encode())
            written.add(f"{script}.js")
    _write_csv(join(output, folder), ledger)
    for name in list(top_names(join(output, folder))):
        if name.endswith(".js") and name not in written:  # of an earlier report with more rows
            delete(join(output, folder, name))
    return groups


def doubts(rows: pa.Table, similarity: dict[str, float]) -> np.ndarray:
    """How much each row deserves a look, float (N,): what it lacks of confidence; where that is not known, large holes,
    visible seams and a lost identity count."""
    floats = {
        name: np.array([np.nan if value is None else value for value in rows[name].to_pylist()], float)
        for name in ("hole_ratio", "seam_error", "confidence")
        if name in rows.column_names
    }
    likeness = np.array([similarity.get(key, 0.5) for key in rows["key"].to_pylist()], float)
    guess = np.nan_to_num(floats["hole_ratio"]) + np.nan_to_num(floats["seam_error"]) / 64 + 1 - likeness
    confidence = floats.get("confidence", np.full(len(guess), np.nan))
    return np.where(np.isnan(confidence), guess, 1 - confidence)


def _grouped(rows: pa.Table, doubt: np.ndarray) -> Iterator[tuple[str, str, list[int]]]:
    """(status, kind of reason, places of the rows): all results, then the groups of problems and of results' notes."""
    groups: dict[tuple[str, str], list[int]] = {}
    results: list[int] = []
    columns = (rows[name].to_pylist() for name in ("status", "reason", GONE))
    for place, (status, reason, gone) in enumerate(zip(*columns, strict=True)):
        if gone:
            groups.setdefault((GONE, GONE_NOTE), []).append(place)
            continue
        if status not in PROBLEMS:
            results.append(place)
        if reason or status in PROBLEMS:
            groups.setdefault((status, kind_of(reason)), []).append(place)
    results.sort(key=lambda place: -doubt[place])
    yield "restored", "", results
    for (status, reason), places in sorted(groups.items(), key=lambda item: (ORDER.index(item[0][0]), -len(item[1]))):
        if status not in PROBLEMS:
            places.sort(key=lambda place: -doubt[place])
        yield status, reason, places


def _script(name: str, rows: pa.Table) -> str:
    """A call that hands the rows to the page. Escaped, so that no name ends the script or a line of it."""
    listed: list[dict[str, Any]] = []
    for row in rows.select(SHOWN).to_pylist():
        shown = {column: value for column, value in row.items() if value is not None}
        listed.append(shown if row["status"] in PROBLEMS else shown | {"thumb": thumb_name(row["key"])})
    text = json.dumps(listed, ensure_ascii=True, separators=(",", ":")).replace("</", "<\\/")
    return f'rows("{name}",{text})\n'


def _write_csv(folder: str, ledger: Ledger) -> None:
    with tempfile.TemporaryFile() as file:
        with pacsv.CSVWriter(file, ROW) as writer:
            for _, table in ledger.tables():
                writer.write_table(table)
        write_from(join(folder, "ledger.csv"), file)
