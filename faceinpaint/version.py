"""Which code made a result."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from faceinpaint import __version__

PACKAGE = Path(__file__).parent


def code_version() -> str:
    """``0.2.0, source 0123456789ab, commit fedcba987654+``.

    source: start of the SHA-256 of the package's Python files, the same wherever they lie; commit: where they are a
    git checkout, "+" when its files were changed since.
    """
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    version = f"{__version__}, source {digest.hexdigest()[:12]}"
    found = commit()
    return f"{version}, commit {found}" if found else version


def commit() -> str | None:
    """The checkout's commit, "+" behind it when its files were changed since; None for an installed package."""
    if not (PACKAGE.parent / ".git").exists():  # an installed package may lie inside another project's checkout
        return None
    command = ["git", "-C", str(PACKAGE), "describe", "--always", "--dirty=+", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
