"""``review.html`` of a detection: the proposals that most deserve a look, most doubtful first."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import jinja2
import numpy as np

from faceinpaint.encoding import png_bytes
from faceinpaint.inference.proposals import ProposalRow
from faceinpaint.storage import exists, join, read_bytes, write_bytes

SHOWN = 96
STATE = "_job/review.npz"


class ReviewSheet:
    """The most doubtful proposals so far; kept in the output, so that a run that goes on knows those before."""

    def __init__(self, output: str):
        self.output = output
        self.entries: list[tuple[ProposalRow, dict[str, np.ndarray]]] = []
        if exists(join(output, STATE)):
            self.entries = _unpack(read_bytes(join(output, STATE)))

    def add(self, found: list[Any]) -> None:
        """Consider what was found."""
        known = {row.key for row, _ in self.entries}
        new = [(each.row, each.sheet) for each in found if each.sheet and each.row.key not in known]
        self.entries = sorted(self.entries + new, key=lambda entry: entry[0].confidence or 0)[:SHOWN]

    def forget(self, keys: Collection[str]) -> None:
        """Leave pictures out, durably: they are looked at again."""
        if any(row.key in keys for row, _ in self.entries):
            self.entries = [(row, sheet) for row, sheet in self.entries if row.key not in keys]
            self._write()

    def save(self) -> None:
        """Make the sheet durable."""
        if self.entries:
            self._write()

    def _write(self) -> None:
        arrays = {f"{i}/{name}": p for i, (_, sheet) in enumerate(self.entries) for name, p in sheet.items()}
        arrays["rows"] = np.array(json.dumps([asdict(row) for row, _ in self.entries]))
        sink = io.BytesIO()
        np.savez(sink, **arrays)  # type: ignore[arg-type]  # its flags have names that ours cannot take
        write_bytes(join(self.output, STATE), sink.getvalue())

    def write_page(self, counts: Counter[str]) -> None:
        """Write ``review.html``."""
        page = jinja2.Environment(
            loader=jinja2.PackageLoader("faceinpaint.inference", "templates"), autoescape=True, trim_blocks=True
        ).get_template("review.html.j2")
        cards = [
            {
                "row": row,
                "pictures": [(name, _inline(sheet[name])) for name in ("before", "marked") if name in sheet],
            }
            for row, sheet in self.entries
        ]
        html = page.render(counts=sorted(counts.items()), total=sum(counts.values()), cards=cards)
        write_bytes(join(self.output, "review.html"), html.encode())


def _unpack(data: bytes) -> list[tuple[ProposalRow, dict[str, np.ndarray]]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        entries: list[tuple[ProposalRow, dict[str, np.ndarray]]] = [
            (ProposalRow(**row), {}) for row in json.loads(str(archive["rows"]))
        ]
        for name in archive.files:
            if name != "rows":
                i, _, picture = name.partition("/")
                entries[int(i)][1][picture] = archive[name]
    return entries


def _inline(picture: np.ndarray) -> str:
    """``picture`` uint8 (H, W, 3) as the source of an HTML image."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(picture)).decode()
