"""Finding the processes a job has started."""

from pathlib import Path


def processes_of(driver: int, *names: bytes) -> list[int]:
    """Ids of processes in the session of ``driver`` whose title starts with one of ``names``, such as b"ray::Map"."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes()
            session = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[3])
        except (OSError, ValueError, IndexError):
            continue
        if session == driver and command.startswith(names):
            found.append(int(entry.name))
    return sorted(found)
