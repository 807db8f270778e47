"""A job's own Ray is reached from its machine alone."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")  # as /proc writes them
LISTENING = "0A"
JOB = """
from faceinpaint.ray_session import connect
from tests.test_ray_session import listening
before = listening()
connect()
print(*(listening() - before))
"""


def listening() -> set[str]:
    """Local ADDRESS:PORT, in hexadecimal, of this machine's listening TCP sockets."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {fields[1] for fields in lines if fields[3] == LISTENING}


def test_nothing_listens_beyond_loopback():
    command = [sys.executable, "-c", JOB]
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    found = ended.stdout.split()
    assert len(found) > 3
    assert [address for address in found if not address.startswith(LOOPBACK)] == []
