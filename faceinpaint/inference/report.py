"""``report.html`` of a bulk restoration: what happened, and the results that most deserve a look, worst first."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from faceinpaint.data.faces import Alignment
from faceinpaint.data.storage import exists, join, read_bytes, top_names, write_bytes
from faceinpaint.inference.ledger import Ledger
from faceinpaint.inference.work import Work, doubt

SHOWN = 48
REASONS_SHOWN = 20
UNKNOWN_SIMILARITY = 0.5  # where there is no face to compare
SHEETS = "_job/gallery.npz"


@dataclass
class Entry:
    """A picture of the gallery; ``similarity``: of the identity before and after, cosine; None without a face."""

    row: dict[str, Any]
    sheet: dict[str, np.ndarray]
    similarity: float | None = None


class Gallery:
    """The most doubtful results so far; kept in the output, so that a run that goes on knows those before."""

    def __init__(self, output: str, dry: bool = False):
        self.output, self.dry = output, dry
        self.entries: list[Entry] = []
        if not dry and exists(join(output, SHEETS)):
            self.entries = _unpack(read_bytes(join(output, SHEETS)))

    def add(self, works: list[Work]) -> None:
        """Consider finished pictures."""
        known = {entry.row["key"] for entry in self.entries}
        new = [Entry(work.row, work.sheet) for work in works if work.sheet and work.row["key"] not in known]
        ranked = sorted(self.entries + new, key=lambda entry: -doubt(entry.row))
        self.entries = ranked[:SHOWN]

    def add_plans(self, works: list[Work]) -> None:
        """Show examined pictures of a dry run: the first ones, with the hole over the crop that the model would see."""
        for work in works:
            if work.crops is not None and work.holes is not None and len(self.entries) < SHOWN:
                sheet = {"before": work.crops[0], "hole": work.holes[0] * 255}
                self.entries.append(Entry(work.row, sheet))

    def save(self) -> None:
        """Make the gallery durable."""
        if self.entries:
            write_bytes(join(self.output, SHEETS), _pack(self.entries))


def write_report(output: str, ledger: Ledger, gallery: Gallery, rate: float, alignment: Alignment) -> None:
    """Write ``report.html`` (``dry-run.html`` of a dry run). ``rate``: pictures/s of this run."""
    from faceinpaint.inference.resemblance import measure_identity  # torch takes seconds

    measure_identity(gallery.entries, alignment)
    ranked = sorted(gallery.entries, key=lambda entry: -_doubt_with_identity(entry))
    cards = [
        {
            "row": entry.row,
            "similarity": entry.similarity,
            "pictures": [
                (name, _inline(entry.sheet[name])) for name in ("before", "hole", "after") if name in entry.sheet
            ],
        }
        for entry in ranked
    ]
    page = jinja2.Environment(
        loader=jinja2.PackageLoader("faceinpaint.inference", "templates"), autoescape=True, trim_blocks=True
    ).get_template("report.html.j2")
    html = page.render(
        dry=gallery.dry,
        counts=sorted(ledger.counts.items()),
        total=ledger.rows,
        rate=rate,
        reasons=[] if gallery.dry else reasons(ledger.folder),
        cards=cards,
    )
    write_bytes(join(output, "dry-run.html" if gallery.dry else "report.html"), html.encode())


def _doubt_with_identity(entry: Entry) -> float:
    similarity = UNKNOWN_SIMILARITY if entry.similarity is None else entry.similarity
    return doubt(entry.row) + 1 - similarity


def reasons(folder: str) -> list[tuple[str, str, int]]:
    """(status, reason, rows) of the commonest reasons in the ledger."""
    counts: Counter[tuple[str, str]] = Counter()
    for name in top_names(folder) if exists(folder) else ():
        table = pq.read_table(io.BytesIO(read_bytes(join(folder, name))), columns=["status", "reason"])
        counts.update((row["status"], row["reason"]) for row in table.to_pylist() if row["reason"])
    return [(status, reason, count) for (status, reason), count in counts.most_common(REASONS_SHOWN)]


def _inline(picture: np.ndarray) -> str:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode()


def _pack(entries: list[Entry]) -> bytes:
    """Rows as JSON text and pictures as arrays: an .npz without pickles."""
    arrays = {f"{i}/{name}": picture for i, entry in enumerate(entries) for name, picture in entry.sheet.items()}
    sink = io.BytesIO()
    arrays["rows"] = np.array(json.dumps([entry.row for entry in entries]))
    np.savez(sink, **arrays)  # type: ignore[arg-type]  # its flags have names that ours cannot take
    return sink.getvalue()


def _unpack(data: bytes) -> list[Entry]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        rows = json.loads(str(archive["rows"]))
        entries = [Entry(row, {}) for row in rows]
        for name in archive.files:
            if name != "rows":
                i, _, picture = name.partition("/")
                entries[int(i)].sheet[picture] = archive[name]
    return entries
