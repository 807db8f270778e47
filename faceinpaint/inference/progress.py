"""The progress line of a bulk restoration, and the count of its inputs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from faceinpaint import telemetry
from faceinpaint.inference.table import Table

EVERY = 5.0  # seconds


class Progress:
    """Shows done/total, pictures/s, failures and time left.

    ``counting`` begins to count the inputs, on the side perhaps, and returns what tells their number: None while it is
    not known, unless its argument says to wait.
    """

    def __init__(self, counting: Callable[[], Callable[[bool], int | None]]):
        self.began = self._shown = time.monotonic()
        self._counting = counting
        self.already = 0  # ledger rows of earlier runs
        self._count = counting()
        self._total: int | None = None
        self._told: Counter[str] | None = None  # rows by status that the metrics know of; None: they are not told

    def begin(self, ledger: Table) -> None:
        """Count from here on: what is in the ledger by now was done before. Rows go to the metrics, too."""
        self.already, self._told = ledger.rows, Counter(ledger.counts)

    def total(self) -> int:
        """The number of inputs; waits for the count."""
        self._total = self._count(True)
        assert self._total is not None
        return self._total

    def count_again(self) -> int:
        """The number of inputs as it is now."""
        self._count = self._counting()
        return self.total()

    def rate(self, ledger: Table) -> float:
        """Pictures/s of this run."""
        return (ledger.rows - self.already) / max(time.monotonic() - self.began, 1e-9)

    def show(self, ledger: Table) -> bool:
        """Print a line if it is time to; returns whether it was."""
        now = time.monotonic()
        if now - self._shown < EVERY:
            return False
        self._shown = now
        self._total = self._count(False) if self._total is None else self._total
        self._tell(ledger)
        rate = self.rate(ledger)
        left = f"  {_clock((self._total - ledger.rows) / rate)} left" if self._total and rate else ""
        failed = ledger.counts["failed"]
        print(f"{ledger.rows}/{self._total or '?'}  {rate:.1f} pictures/s  {failed} failed{left}", flush=True)
        return True

    def close(self, ledger: Table) -> None:
        """Print the last line: every status with its number."""
        self._tell(ledger)
        counts = ", ".join(f"{count} {status}" for status, count in sorted(ledger.counts.items()))
        print(f"{ledger.rows} inputs: {counts or 'none'}; {time.monotonic() - self.began:.0f} s", flush=True)

    def _tell(self, ledger: Table) -> None:
        if self._told is None:
            return
        for status, rows in ledger.counts.items():
            telemetry.count("inputs", status, rows - self._told[status])
        self._told = Counter(ledger.counts)
        if self._total is not None:
            telemetry.show("inputs_left", "batch_inpaint", self._total - ledger.rows)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
