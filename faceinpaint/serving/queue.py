"""Who sees which proposal next: most doubtful first, never the same to two people at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from faceinpaint.inference.proposals import ProposalRow

LEASE = 900.0  # seconds for which a picture is one person's


@dataclass
class ReviewQueue:
    """Proposals and suspicions that nobody has decided on. Safe for threads.

    rows: of the table of proposals; decided: keys with a decision; clock: seconds.
    """

    rows: list[ProposalRow]
    decided: Container[str]
    clock: Callable[[], float] = time.monotonic
    _leases: dict[str, tuple[str, float]] = field(default_factory=dict)  # key -> person, until
    _skips: dict[tuple[str, str], int] = field(default_factory=dict)  # (person, key) -> how often
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        doubtful = [row for row in self.rows if row.status in ("proposed", "unsure")]
        self.rows = sorted(doubtful, key=lambda row: (row.confidence or 0.0, row.key))

    def take(self, person: str) -> ProposalRow | None:
        """The most doubtful one that is free, and leased to ``person`` from now on; None when none is left."""
        with self._lock:
            now = self.clock()
            free = [row for row in self.rows if self._is_free(row.key, person, now)]
            if not free:
                return None
            row = min(free, key=lambda each: self._skips.get((person, each.key), 0))
            self._leases[row.key] = (person, now + LEASE)
            return row

    def skip(self, key: str, person: str) -> None:
        """Put a picture at the end of this person's queue; others may have it at once."""
        with self._lock:
            self._skips[person, key] = self._skips.get((person, key), 0) + 1
            if self._leases.get(key, ("", 0.0))[0] == person:  # else theirs has run out, and another has it
                del self._leases[key]

    def row(self, key: str) -> ProposalRow | None:
        """The row of a key, when it is one to review."""
        return next((row for row in self.rows if row.key == key), None)

    def progress(self) -> tuple[int, int]:
        """How many are decided, of how many."""
        return sum(row.key in self.decided for row in self.rows), len(self.rows)

    def _is_free(self, key: str, person: str, now: float) -> bool:
        holder, until = self._leases.get(key, (person, 0.0))
        return key not in self.decided and (holder == person or until < now)
