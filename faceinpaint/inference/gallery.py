"""The results of a bulk restoration that most deserve a look, with the faces whose identity is measured."""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields

import numpy as np

from faceinpaint.inference.row import LedgerRow, doubt
from faceinpaint.inference.travel import Finished
from faceinpaint.storage import exists, join, read_bytes, write_bytes

SHOWN = 48
SHEETS = "_job/gallery.npz"


@dataclass
class Entry:
    """A picture of the gallery; ``similarity``: of the identity before and after, cosine; None without a face."""

    row: LedgerRow
    sheet: dict[str, np.ndarray]
    similarity: float | None = None


class Gallery:
    """The most doubtful results so far; kept in the output, so that a run that goes on knows those before."""

    def __init__(self, output: str, dry: bool = False):
        self.output, self.dry = output, dry
        self.entries: list[Entry] = []
        if not dry and exists(join(output, SHEETS)):
            self.entries = _unpack(read_bytes(join(output, SHEETS)))

    def add(self, finished: list[Finished]) -> None:
        """Consider finished pictures."""
        known = {entry.row.key for entry in self.entries}
        new = [Entry(each.row, each.sheet) for each in finished if each.sheet and each.row.key not in known]
        ranked = sorted(self.entries + new, key=lambda entry: -doubt(entry.row))
        self.entries = ranked[:SHOWN]

    def forget(self, keys: Collection[str]) -> None:
        """Drop pictures that are to be done again."""
        self.entries = [entry for entry in self.entries if entry.row.key not in keys]

    def save(self) -> None:
        """Make the gallery durable."""
        write_bytes(join(self.output, SHEETS), _pack(self.entries))


def _pack(entries: list[Entry]) -> bytes:
    """Rows as JSON text and pictures as arrays: an .npz without pickles."""
    arrays = {f"{i}/{name}": picture for i, entry in enumerate(entries) for name, picture in entry.sheet.items()}
    sink = io.BytesIO()
    arrays["rows"] = np.array(json.dumps([asdict(entry.row) for entry in entries]))
    np.savez(sink, **arrays)  # type: ignore[arg-type]  # its flags have names that ours cannot take
    return sink.getvalue()


def _unpack(data: bytes) -> list[Entry]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        rows = json.loads(str(archive["rows"]))
        names = {field.name for field in fields(LedgerRow)}  # a run of another version may know other columns
        entries = [Entry(LedgerRow(**{name: row[name] for name in names & row.keys()}), {}) for row in rows]
        for name in archive.files:
            if name != "rows":
                i, _, picture = name.partition("/")
                entries[int(i)].sheet[picture] = archive[name]
    return entries
