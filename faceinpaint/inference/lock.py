"""One run at a time on an output folder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from faceinpaint.data.storage import is_s3, join, open_uri, s3_client
from faceinpaint.errors import InputError

LOCK = "_job/lock"
HEARTBEAT = 5.0  # seconds between signs of life of an S3 lock
DEAD_AFTER = 4 * HEARTBEAT  # without one


@contextmanager
def run_lock(output: str) -> Iterator[None]:
    """Hold ``output`` for this run. Raises :class:`InputError` while another run holds it.

    Locally the system drops a dead process's lock at once. On S3 the lock is an object, made by a conditional PUT and
    renewed as a sign of life; one without renewal for DEAD_AFTER seconds is taken over.
    """
    with _s3_lock(output) if is_s3(output) else _local_lock(output):
        yield


@contextmanager
def _local_lock(output: str) -> Iterator[None]:
    path = join(output, LOCK)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InputError(f"{output}: another run works on it ({file.read() or 'starting'}); wait for it") from None
        file.truncate(0)
        file.write(_me())
        file.flush()
        yield


@contextmanager
def _s3_lock(output: str) -> Iterator[None]:
    bucket, _, key = open_uri(join(output, LOCK))[1].partition("/")
    place = {"Bucket": bucket, "Key": key}
    tag = _take(place, output)
    stop = threading.Event()
    state = {"tag": tag}

    def renew() -> None:
        while not stop.wait(HEARTBEAT):
            try:
                state["tag"] = s3_client().put_object(**place, Body=_me().encode(), IfMatch=state["tag"])["ETag"]
            except ClientError:
                continue  # storage that fails for a while; a lock taken over is seen by the other's ledger check

    thread = threading.Thread(target=renew, daemon=True, name="run lock")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        s3_client().delete_object(**place)


def _take(place: dict[str, str], output: str) -> str:
    """The ETag of the lock, once it is ours."""
    try:
        return s3_client().put_object(**place, Body=_me().encode(), IfNoneMatch="*")["ETag"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "412"):
            raise InputError(f"{output}: cannot be locked: {error}") from None
    seen = s3_client().get_object(**place)
    holder, tag = seen["Body"].read().decode(), seen["ETag"]
    print(f"{output} is locked by {holder}: waiting {DEAD_AFTER:.0f} s for a sign of life", flush=True)
    time.sleep(DEAD_AFTER)
    try:
        return s3_client().put_object(**place, Body=_me().encode(), IfMatch=tag)["ETag"]
    except ClientError:
        raise InputError(f"{output}: another run works on it ({holder}); wait for it") from None


def _me() -> str:
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "sign": uuid.uuid4().hex[:8]})
