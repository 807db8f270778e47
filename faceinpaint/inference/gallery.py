"""The results of a bulk restoration that most deserve a look, with their thumbnails."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from faceinpaint.inference.work import Work, doubt
from faceinpaint.storage import exists, join, read_bytes, write_bytes

SHOWN = 48
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
