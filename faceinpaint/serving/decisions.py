"""What people decided about proposals: a table of decisions that only grows, and the masks as they now stand.

    OUTPUT/decisions/ID.parquet       one row per decision, never changed; merged into fewer files now and then
    OUTPUT/decisions/masks/SHA.png    every mask that a decision names, by its content
    OUTPUT/masks/KEY.png              the mask in force: what `faceinpaint restore --masks OUTPUT/masks` reads

The row is written before the mask in force, so a crash between the two loses nothing: opening the folder again puts
the mask right. Where storage refuses a mask, the next decision waits until it takes it.
"""

from __future__ import annotations

import hashlib
import io
import threading
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceinpaint.data.mask_pictures import decode_mask
from faceinpaint.data.user_masks import WHITE
from faceinpaint.encoding import mask_png, parquet_bytes
from faceinpaint.storage import delete, exists, join, read_bytes, top_names, write_bytes

Verdict = Literal["accepted", "rejected", "edited", "undone"]
MERGE_FROM = 64  # files of decisions, from which on they are merged when the folder is opened
ROW = pa.schema(
    [
        ("id", pa.string()),  # in order of time
        ("key", pa.string()),
        ("verdict", pa.string()),
        ("person", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("mask_sha256", pa.string()),  # of the PNG in force from here on; null: none
        ("before_sha256", pa.string()),  # of the PNG in force before; null: none
        ("follows", pa.string()),  # the decision that this one replaces; null: the detector's proposal
    ]
)


class ConflictError(RuntimeError):
    """Somebody else decided about the same picture meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One row of the table; the fields are ROW's."""

    id: str
    key: str
    verdict: Verdict
    person: str
    time: datetime
    mask_sha256: str | None
    before_sha256: str | None
    follows: str | None


class Decisions:
    """The decisions of one detection folder. Safe for threads; one process at a time (the server holds the lock).

    ``latest``: each key's decision in force; a key whose decisions are all undone has none.
    """

    def __init__(self, output: str):
        self.output, self.folder = output, join(output, "decisions")
        self._lock = threading.Lock()
        self._pending: Decision | None = None  # written down, but its mask is not yet in force
        self._all = self._read()
        self.latest: dict[str, Decision] = {}
        for decision in self._all.values():
            self._apply(decision)
        if self._all:
            self._enforce(next(reversed(self._all.values())))  # no other can have been cut off

    def mask(self, key: str) -> np.ndarray | None:
        """The mask in force: uint8 (H, W), 1 in the hole; None without one."""
        data = self._mask_bytes(key)
        if data is None:
            return None
        return (decode_mask(data).levels >= WHITE).astype(np.uint8)

    def version(self, key: str) -> str | None:
        """The id of the decision in force; None for the detector's own proposal."""
        found = self.latest.get(key)
        return found.id if found else None

    def record(self, key: str, verdict: Verdict, mask: np.ndarray | None, person: str, follows: str | None) -> Decision:
        """Write a decision down; when this returns, it is on disk.

        mask: uint8 (H, W), 1 in the hole, or None for no hole; follows: :meth:`version` as the person saw it.
        Raises :class:`ConflictError` when another decision came in between.
        """
        png = None if mask is None or not mask.any() else mask_png(mask)
        with self._lock:
            if self.version(key) != follows:
                other = self.latest.get(key)
                whose = f"{other.person} {other.verdict} it" if other else "the last decision was undone"
                raise ConflictError(f"{key}: {whose} meanwhile; look at it again")
            return self._write(key, verdict, png, person)

    def undo(self, person: str) -> Decision | None:
        """Take back this person's newest decision that is still in force; returns it, or None."""
        with self._lock:
            own = [d for d in self.latest.values() if d.person == person]
            if not own:
                return None
            last = max(own, key=lambda d: d.id)
            png = self._stored(last.before_sha256) if last.before_sha256 else None
            self._write(last.key, "undone", png, person)
            return last

    def _write(self, key: str, verdict: Verdict, png: bytes | None, person: str) -> Decision:
        if self._pending:
            self._enforce(self._pending)
        before = self._mask_bytes(key)
        decision = Decision(
            id=f"{len(self._all):08d}-{uuid.uuid4().hex[:8]}",
            key=key,
            verdict=verdict,
            person=person,
            time=datetime.now(UTC),
            mask_sha256=self._store(png),
            before_sha256=self._store(before),
            follows=self.version(key),
        )
        write_bytes(join(self.folder, f"{decision.id}.parquet"), _parquet([decision]))
        self._all[decision.id] = decision
        self._apply(decision)
        self._enforce(decision)
        return decision

    def _apply(self, decision: Decision) -> None:
        """Bring ``latest`` up to date. Undoing brings the decision before back, if there was one."""
        if decision.verdict != "undone":
            self.latest[decision.key] = decision
            return
        undone = self._all.get(decision.follows or "")
        earlier = self._all.get(undone.follows or "") if undone else None
        if earlier is None or earlier.verdict == "undone":
            self.latest.pop(decision.key, None)
        else:
            self.latest[decision.key] = earlier

    def _enforce(self, newest: Decision) -> None:
        """Make ``masks/KEY.png`` what the newest row of its key says."""
        self._pending = newest
        path, present = join(self.output, "masks", f"{newest.key}.png"), self._mask_bytes(newest.key)
        wanted = self._stored(newest.mask_sha256) if newest.mask_sha256 else None
        if wanted is None and present is not None:
            delete(path)
        elif wanted is not None and wanted != present:
            write_bytes(path, wanted)
        self._pending = None

    def _mask_bytes(self, key: str) -> bytes | None:
        try:
            return read_bytes(join(self.output, "masks", f"{key}.png"))
        except FileNotFoundError:
            return None

    def _store(self, png: bytes | None) -> str | None:
        if png is None:
            return None
        digest = hashlib.sha256(png).hexdigest()
        path = join(self.folder, "masks", f"{digest}.png")
        if not exists(path):
            write_bytes(path, png)
        return digest

    def _stored(self, digest: str) -> bytes:
        return read_bytes(join(self.folder, "masks", f"{digest}.png"))

    def _read(self) -> dict[str, Decision]:
        """All decisions in order of time; many small files become one on the way."""
        names = [n for n in top_names(self.folder) if n.endswith(".parquet")] if exists(self.folder) else []
        found: dict[str, Decision] = {}
        for name in names:
            rows = pq.read_table(io.BytesIO(read_bytes(join(self.folder, name)))).cast(ROW).to_pylist()
            found.update({row["id"]: Decision(**row) for row in rows})
        found = dict(sorted(found.items()))
        if len(names) >= MERGE_FROM:
            merged = f"until-{max(found)}.parquet"
            write_bytes(join(self.folder, merged), _parquet(list(found.values())))
            for name in names:
                if name != merged:
                    delete(join(self.folder, name))
        return found


def _parquet(decisions: list[Decision]) -> bytes:
    return parquet_bytes(pa.Table.from_pylist([asdict(d) for d in decisions], ROW))
