"""The progress line of a bulk restoration, and the count of its inputs."""

from __future__ import annotations

import time

import ray

from faceinpaint.data.source import count_pictures
from faceinpaint.inference.ledger import Ledger

EVERY = 5.0  # seconds


class Progress:
    """Shows done/total, pictures/s, failures and time left; the inputs are counted on the side meanwhile."""

    def __init__(self, source: str):
        self.began = self._shown = time.monotonic()
        self.already = 0  # ledger rows of earlier runs
        self._counting = ray.remote(num_cpus=0)(count_pictures).remote(source)
        self._total: int | None = None

    def total(self) -> int:
        """The number of inputs; waits for the count."""
        self._total = ray.get(self._counting)
        return self._total

    def rate(self, ledger: Ledger) -> float:
        """Pictures/s of this run."""
        return (ledger.rows - self.already) / max(time.monotonic() - self.began, 1e-9)

    def show(self, ledger: Ledger) -> bool:
        """Print a line if it is time to; returns whether it was."""
        now = time.monotonic()
        if now - self._shown < EVERY:
            return False
        self._shown = now
        if self._total is None and ray.wait([self._counting], timeout=0)[0]:
            self._total = ray.get(self._counting)
        rate = self.rate(ledger)
        left = f"  {_clock((self._total - ledger.rows) / rate)} left" if self._total and rate else ""
        failed = ledger.counts["failed"]
        print(f"{ledger.rows}/{self._total or '?'}  {rate:.1f} pictures/s  {failed} failed{left}", flush=True)
        return True

    def close(self, ledger: Ledger) -> None:
        """Print the last line: every status with its number."""
        counts = ", ".join(f"{count} {status}" for status, count in sorted(ledger.counts.items()))
        print(f"{ledger.rows} inputs: {counts or 'none'}; {time.monotonic() - self.began:.0f} s", flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
