"""The rows behind a report's page: sorted, grouped by reason, in files that the page loads as it needs them.

``OUTPUT/_job/report/`` holds the rows as small scripts (a page opened from a disk may load scripts, and nothing else),
and ``ledger.csv``; pictures lie in ``OUTPUT/_job/thumbs``.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from faceinpaint.storage import delete, exists, join, top_names, write_bytes

FOLDER = "_job/report"
THUMBS = "_job/thumbs"
ROWS_A_SCRIPT = 1000
EXAMPLES = 3  # names that a group is introduced by
VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.,x]*")  # parts of a reason that differ from picture to picture
LONGEST_HEAD = 60  # characters before a colon that name a reason's kind
SHOWN = ("key", "status", "reason", "output", "hole_ratio", "hole_grown", "faces", "seam_error", "confidence")
SHOWN += ("fidelity", "route", "dropped")
PROBLEMS = ("failed", "skipped")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Inputs of one status and one kind of reason. name: of its scripts; rows: how many; examples: their first keys."""

    name: str
    status: str
    reason: str
    rows: int
    examples: list[str]


def thumb_name(key: str) -> str:
    """Where the thumbnails of an input lie, below THUMBS."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{digest[:2]}/{digest[2:18]}.jpg"


def kind_of(reason: str | None) -> str:
    """What reasons of one kind have in common: what stands before a colon, or all but numbers and names."""
    if not reason:
        return ""
    head, colon, _ = reason.partition(": ")
    return VARIABLE.sub("…", head if colon and len(head) <= LONGEST_HEAD else reason)


def write_pages(output: str, folder: str, rows: pa.Table, doubts: list[float]) -> list[Group]:
    """Write the rows below ``output``/``folder``; returns the groups: ``results`` first, then problems, largest first.

    doubts: how much each row deserves a look; results come most doubtful first.
    """
    written: set[str] = set()
    groups = []
    for status, reason, places in _grouped(rows, doubts):
        name = "results" if not groups else f"group-{len(groups)}"
        keys = rows["key"]
        examples = [keys[place].as_py() for place in places[:EXAMPLES]]
        groups.append(Group(name=name, status=status, reason=reason, rows=len(places), examples=examples))
        for number in range(0, len(places), ROWS_A_SCRIPT):
            script = f"{name}-{number // ROWS_A_SCRIPT}.js"
            part = rows.take(pa.array(places[number : number + ROWS_A_SCRIPT]))
            write_bytes(join(output, folder, script), _script(script, part).encode())
            written.add(script)
    write_bytes(join(output, folder, "ledger.csv"), _csv(rows))
    for name in list(top_names(join(output, folder))) if exists(join(output, folder)) else []:
        if name.endswith(".js") and name not in written:  # of an earlier report with more rows
            delete(join(output, folder, name))
    return groups


def _grouped(rows: pa.Table, doubts: list[float]) -> Iterator[tuple[str, str, list[int]]]:
    """(status, kind of reason, places of the rows): all results, then the groups of problems and of results' notes."""
    problems: dict[tuple[str, str], list[int]] = {}
    results: list[int] = []
    columns = (rows[name].to_pylist() for name in ("status", "reason", "gone"))
    for place, (status, reason, gone) in enumerate(zip(*columns, strict=True)):
        if gone:
            problems.setdefault(("gone", "the input is no longer there"), []).append(place)
            continue
        if status in PROBLEMS:
            problems.setdefault((status, kind_of(reason)), []).append(place)
        else:
            results.append(place)
            if reason:
                problems.setdefault((status, kind_of(reason)), []).append(place)
    results.sort(key=lambda place: -doubts[place])
    yield "restored", "", results
    order = {status: rank for rank, status in enumerate((*PROBLEMS, "restored-fallback", "restored", "gone"))}
    for (status, reason), places in sorted(problems.items(), key=lambda item: (order[item[0][0]], -len(item[1]))):
        yield status, reason, places


def _script(name: str, rows: pa.Table) -> str:
    """A call that hands the rows to the page. Escaped, so that no name ends the script or a line of it."""
    columns = [column for column in SHOWN if column in rows.column_names]
    listed: list[dict[str, Any]] = []
    for row in rows.select(columns).to_pylist():
        shown = {column: value for column, value in row.items() if value is not None}
        listed.append(shown | {"thumb": thumb_name(row["key"])} if row["output"] or "confidence" in shown else shown)
    text = json.dumps(listed, ensure_ascii=True, separators=(",", ":")).replace("</", "<\\/")
    return f'rows("{name.removesuffix(".js")}",{text})\n'


def _csv(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    pacsv.write_csv(rows, sink)
    return sink.getvalue()
