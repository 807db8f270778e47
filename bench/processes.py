"""Who uses the CPUs while a job runs."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(root: int) -> dict[str, float]:
    """CPU seconds so far of the processes below ``root``, by title (``ray::RayTrainWorker``, a command's name)."""
    parents, used = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, fields = (folder / "stat").read_text().rsplit(")", 1)
            title = (folder / "cmdline").read_bytes().split(b"\0")[0].decode().strip()
        except OSError:
            continue  # it has ended meanwhile
        values = fields.split()
        parents[int(folder.name)] = int(values[1])
        used[int(folder.name)] = (title or name, (int(values[11]) + int(values[12])) / TICKS)
    sums: dict[str, float] = {}
    for pid, (title, seconds) in used.items():
        if _is_below(pid, root, parents):
            sums[title] = sums.get(title, 0.0) + seconds
    return sums


def _is_below(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != root:
        pid = parents[pid]
    return pid == root
