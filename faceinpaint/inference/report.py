"""``report.html`` of a bulk restoration: what happened, and the results that most deserve a look, worst first."""

from __future__ import annotations

import base64
import io
from collections import Counter

import jinja2
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from faceinpaint.data.faces import Alignment
from faceinpaint.inference.gallery import Entry, Gallery
from faceinpaint.inference.ledger import Ledger
from faceinpaint.inference.work import doubt
from faceinpaint.storage import exists, join, read_bytes, top_names, write_bytes

REASONS_SHOWN = 20
UNKNOWN_SIMILARITY = 0.5  # where there is no face to compare


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
                (name, inline_png(entry.sheet[name])) for name in ("before", "hole", "after") if name in entry.sheet
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


def inline_png(picture: np.ndarray) -> str:
    """``picture`` uint8 (H, W, ...) as the source of an HTML image."""
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode()
