"""One run of an output folder at a time."""

from __future__ import annotations

import _thread
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from faceinpaint.errors import InputError
from faceinpaint.storage import first_line, is_s3, join, open_uri, s3_client

LOCK = "_job/lock"
NOTE = "_job/job.json"  # the job that an output folder is of
HEARTBEAT = 5.0  # seconds between signs of life of an S3 lock
BEATS_TO_DEATH = 4  # without one


@contextmanager
def run_lock(output: str) -> Iterator[None]:
    """Hold ``output`` for this run. Raises :class:`InputError` while another run holds it.

    Locally the system drops a dead process's lock at once. On S3 the lock is an object, made by a conditional PUT and
    renewed as a sign of life; one that is not renewed is taken over. A run that lost its lock is interrupted.
    """
    if is_s3(output):
        lock = _S3Lock(output)
        lock.take()
        with lock.kept_alive():
            yield
    else:
        with _local_lock(output):
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
        file.write(f"{socket.gethostname()}, process {os.getpid()}")
        file.flush()
        yield


class _S3Lock:
    """An object that only its holder can overwrite: every PUT is conditional on the ETag seen last."""

    def __init__(self, output: str):
        self.output, self.mark, self.tag = output, uuid.uuid4().hex, ""
        bucket, _, key = open_uri(join(output, LOCK))[1].partition("/")
        self.place = {"Bucket": bucket, "Key": key}

    def take(self) -> None:
        """Make the object, or take it over from a dead run."""
        holder = "starting"
        try:
            if self._made(IfNoneMatch="*"):
                return
            seen = self._seen()
            if seen:
                holder, patience = seen["holder"], HEARTBEAT * BEATS_TO_DEATH
                print(f"{self.output} is locked by {holder}: waiting {patience:.0f} s for a sign of life", flush=True)
                time.sleep(patience)
                if self._made(IfMatch=seen["tag"]):
                    return
            if self._made(IfNoneMatch="*"):  # its run has ended meanwhile
                return
        except (BotoCoreError, ClientError) as error:
            raise InputError(f"{self.output}: cannot be locked: {first_line(error)}") from None
        raise InputError(f"{self.output}: another run works on it ({holder}); wait for it")

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), daemon=True, name="run lock")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            if self._is_mine():
                s3_client().delete_object(**self.place)

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT):
            try:
                self._put(IfMatch=self.tag)
            except BotoCoreError:
                continue  # storage that fails for a while
            except ClientError as error:
                if _is_conflict(error) and not self._is_mine():
                    print(f"{self.output}: another run took over the lock; stopping", flush=True)
                    _thread.interrupt_main()
                    return

    def _is_mine(self) -> bool:
        """Whether the object bears our mark; then its ETag is noted: the answer to a PUT of ours may be lost."""
        try:
            seen = self._seen()
        except (BotoCoreError, ClientError):
            return False
        if seen is None or seen["mark"] != self.mark:
            return False
        self.tag = seen["tag"]
        return True

    def _seen(self) -> dict[str, Any] | None:
        """What the object says, and its ``tag``; None where there is none."""
        try:
            seen = s3_client().get_object(**self.place)
            return json.loads(seen["Body"].read()) | {"tag": seen["ETag"]}
        except ClientError as error:
            if not _is_missing(error):
                raise
            return None

    def _made(self, **condition: str) -> bool:
        """Whether the object could be written; not, where ``condition`` does not hold."""
        try:
            self._put(**condition)
            return True
        except ClientError as error:
            if not (_is_conflict(error) or _is_missing(error)):
                raise
            return False

    def _put(self, **condition: str) -> None:
        """Write the object if ``condition`` holds. What it says changes each time, and so does its ETag."""
        holder = f"{socket.gethostname()}, process {os.getpid()}"
        body = json.dumps({"holder": holder, "mark": self.mark, "time": time.time()}).encode()
        self.tag = s3_client().put_object(**self.place, Body=body, **condition)["ETag"]


def _is_conflict(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")


def _is_missing(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in ("NoSuchKey", "404")
