"""Shared by the whole suite: one local Ray, and a real S3 server behind a proxy that can be told to fail."""

from __future__ import annotations

import http.client
import io
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import faceinpaint  # noqa: F401  # settings of Ray, before any test imports it


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses Ray, the S3 server or the service is slow, without saying so itself."""
    for item in items:
        if {"ray_local", "s3_server", "service"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def ray_local(s3_environment: S3Server) -> Iterator[None]:
    """A local Ray started as the jobs start theirs; its workers know the S3 server's address."""
    import ray

    from faceinpaint.ray_session import connect

    connect()
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[S3Server]:
    """AWS_* for a proxy on a loopback port of its own; it answers once ``s3_server`` has started what is behind it."""
    server = S3Server()
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield server
    server.server_close()


@pytest.fixture(scope="session")
def s3_server(s3_environment: S3Server) -> Iterator[S3Server]:
    """moto's S3 server in its own process, reached over HTTP through a proxy that injects faults."""
    backend = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(backend)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = s3_environment
    server.backend = backend
    try:
        wait_for(backend)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
    finally:
        server.shutdown()
        process.terminate()
        process.wait()


@pytest.fixture
def bucket(s3_server: S3Server) -> Iterator[str]:
    """The ``s3://`` URI of an empty bucket; faults end with the test."""
    from faceinpaint.storage import s3_client

    name = f"test-{uuid.uuid4().hex[:12]}"
    s3_client().create_bucket(Bucket=name)
    yield f"s3://{name}"
    s3_server.faults.clear()


class S3Server(ThreadingHTTPServer):
    """A proxy to the S3 server on port ``backend``: ``server.fail("503", times=3)`` spoils the next requests.

    It takes its own port at once: another process could take one that is only chosen.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Proxy)
        self.backend = 0
        self.faults: list[tuple[str, str | None]] = []  # (fault, method it waits for)
        self.spoilt = 0  # requests that met a fault so far
        self._lock = threading.Lock()

    def fail(self, fault: str, times: int = 1, method: str | None = None) -> None:
        """The next ``times`` requests (with ``method``) get "500", "503", or "timeout": silence, then a reset."""
        self.faults += [(fault, method)] * times

    def next_fault(self, method: str) -> str | None:
        with self._lock:
            for fault in self.faults:
                if fault[1] in (None, method):
                    self.faults.remove(fault)
                    self.spoilt += 1
                    return fault[0]
        return None


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.next_fault(self.command)
        if fault == "timeout":
            time.sleep(1)
            self.close_connection = True
        elif fault:
            self.answer(int(fault), [], b"<Error><Code>InternalError</Code><Message>injected</Message></Error>")
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.backend, timeout=60)
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            self.answer(response.status, response.getheaders(), response.read())
            connection.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        lengths = {"content-length", "transfer-encoding", "connection"}
        length = next((value for name, value in headers if name.lower() == "content-length"), str(len(body)))
        for name, value in headers:
            if name.lower() not in lengths:
                self.send_header(name, value)
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A weights folder of preset ``tiny`` with seeded, untrained networks: it paints noise, but always the same."""
    import torch

    from faceinpaint.load_config import load_preset
    from faceinpaint.models import build
    from faceinpaint.models.weights import save_config, save_weights

    folder = str(tmp_path_factory.mktemp("weights"))
    config = load_preset("tiny")
    torch.manual_seed(0)
    save_config(folder, config)
    save_weights(folder, "structure", build.build_structure(config))
    save_weights(folder, "texture", build.build_texture(config.texture))
    return folder


@pytest.fixture(scope="session")
def faces_parquet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Parquet file of 12 smooth colour pictures and one that is none."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    random = np.random.default_rng(0)
    rows: list[dict[str, object]] = [{"key": "broken", "image": b"no picture"}]
    for i in range(12):
        small = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
        buffer = io.BytesIO()
        small.resize((40, 48), Image.Resampling.BICUBIC).save(buffer, "PNG")
        rows.append({"key": f"face{i}", "image": buffer.getvalue()})
    path = tmp_path_factory.mktemp("faces") / "faces.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=5)
    return str(path)
