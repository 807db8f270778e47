"""The service under load, against the bare model: requests/s, waiting times, a killed model, memory over many requests.

    python -m bench.service --weights weights/celeba64 --picture scan.png --mask mask.png

Starts ``faceinpaint serve`` on a free port, sends the same picture from 1, 8 and 32 clients at once, kills the model's
process while 8 clients wait, and then sends ``--requests`` while it watches the memory of the model's process. It stops
with an error when any request is not answered.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import httpx
import numpy as np
import psutil
from PIL import Image

from faceinpaint.inference.inpainter import Inpainter

CLIENTS = (1, 8, 32)
PER_CLIENT = 8  # requests of each client in a measured round
START_SECONDS = 300
ENGINE = "ServeReplica:faceinpaint:engine"  # in the command line of a model's process
KILL_AFTER = 1.0  # seconds
LAST_WORDS = 2000  # characters of a server that does not start


def bare(weights: str, picture: np.ndarray, mask: np.ndarray, seconds: float) -> float:
    """Pictures/s of the Python API alone."""
    inpainter = Inpainter.load(weights, device="cpu", precision="auto")
    inpainter(picture, mask)
    began, done = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        inpainter(picture, mask)
        done += 1
    return done / (time.monotonic() - began)


def sent(address: str, picture: bytes, mask: bytes) -> float:
    """Seconds that one request takes; refusals are waited for and tried again."""
    began = time.monotonic()
    while True:
        files = {"picture": ("p.png", picture), "mask": ("m.png", mask)}
        answer = httpx.post(f"{address}/v1/restore", files=files, timeout=300)
        if answer.status_code in (429, 503):
            time.sleep(float(answer.headers.get("retry-after", "1")))
            continue
        answer.raise_for_status()
        return time.monotonic() - began


def round_of(address: str, picture: bytes, mask: bytes, clients: int) -> str:
    """A line of the table for a number of clients at once."""
    began, number = time.monotonic(), clients * PER_CLIENT
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        took = np.array(list(pool.map(lambda _: sent(address, picture, mask), range(number))))
    rate = number / (time.monotonic() - began)
    return f"| {clients} | {rate:.2f} | {np.percentile(took, 50):.2f} | {np.percentile(took, 95):.2f} |"


def engines(server: int) -> list[psutil.Process]:
    """The models' processes of the server with this process id."""
    found = []
    for process in psutil.Process(server).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if ENGINE in " ".join(process.cmdline()):
                found.append(process)
    return found


def killed_round(address: str, server: int, picture: bytes, mask: bytes) -> str:
    """What happens to requests of 8 clients whose model is killed."""
    victim = engines(server)[0]
    killer = threading.Timer(KILL_AFTER, victim.kill)
    killer.start()
    row = round_of(address, picture, mask, 8)
    killer.join()
    assert not victim.is_running(), "the round was over before the model was killed"
    return f"{row} the model was killed meanwhile: all {8 * PER_CLIENT} requests were answered"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--mask", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=10_000, help="while memory is watched (%(default)s)")
    args = parser.parse_args()
    picture, mask = args.picture.read_bytes(), args.mask.read_bytes()
    pixels = np.asarray(Image.open(args.picture).convert("RGB"))
    print(
        f"bare model: {bare(args.weights, pixels, np.asarray(Image.open(args.mask).convert('L')), 10):.2f} pictures/s"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "faceinpaint", "serve", "--weights", args.weights, "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen([*command, "--in-flight", "64"], stdout=log, stderr=log, env=dict(os.environ))
        try:
            wait_for(f"http://127.0.0.1:{port}", server, log)
            measure(f"http://127.0.0.1:{port}", server.pid, picture, mask, args.requests)
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
                server.wait(60)


def wait_for(address: str, server: subprocess.Popen[bytes], log: IO[str]) -> None:
    """Wait until the server answers; when it does not, stop with the end of what it said."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{address}/healthz", timeout=30).status_code == 200:
                return
        if server.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise SystemExit(f"the server does not answer; its last words:\n{log.read()[-LAST_WORDS:]}")
        time.sleep(1)


def measure(address: str, server: int, picture: bytes, mask: bytes, requests: int) -> None:
    """The table of waiting times, and memory at each tenth of ``requests``."""
    print("| clients | requests/s | p50, s | p95, s |\n|---|---|---|---|")
    for clients in CLIENTS:
        print(round_of(address, picture, mask, clients), flush=True)
    print(killed_round(address, server, picture, mask), flush=True)
    print(f"load of the machine: {os.getloadavg()[1]:.1f} on {os.cpu_count()} CPUs")
    for tenth in range(11):
        memory = sum(process.memory_info().rss for process in engines(server)) / 1e6
        print(f"after {tenth * requests // 10} requests: {memory:.0f} MB", flush=True)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: sent(address, picture, mask), range(requests // 10 if tenth < 10 else 0)))


if __name__ == "__main__":
    main()
