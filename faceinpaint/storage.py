"""One URI, a local path or ``s3://bucket/key``: open, read, write, list.

S3 settings come from the standard AWS chain (environment, profile, role) and ``AWS_ENDPOINT_URL``; they are never part
of a URI, so no log or ledger can show them. All failures of storage are ``OSError``, but for a full disk, which is no
single file's trouble.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow.fs as pafs

from faceinpaint.errors import InputError, JobError

S3_ATTEMPTS = 10  # with exponential backoff: rides out about a minute of errors
BODY_ATTEMPTS = 3
ESCAPE_LIKE = re.compile(rb"\\(?=x[0-9a-f]{2})")  # escaped too, so that no two paths become one text
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
LEADS_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES)  # of a file that is gone, and of links
PART = ".faceinpaint-part-"  # how the names of local files begin while they are written


def is_s3(uri: str) -> bool:
    """Whether ``uri`` names an object store rather than a local path."""
    return uri.startswith("s3://")


def open_uri(uri: str) -> tuple[pafs.FileSystem, str]:
    """The Arrow filesystem of ``uri`` and the path inside it.

    Raises :class:`InputError` for other schemes, and for a local path that is not UTF-8, which Arrow does not take.
    """
    if is_s3(uri):
        path = uri.removeprefix("s3://").strip("/")
        if not path:
            raise InputError(f"{uri}: no bucket; write s3://bucket/path")
        return _s3_filesystem(os.environ.get("AWS_ENDPOINT_URL")), path
    path = _local_path(uri)
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{as_text(path)}: the path has bytes that are not UTF-8: rename that folder or file"
        ) from None
    return pafs.LocalFileSystem(), path


def _local_path(uri: str) -> str:
    """The path from the root, whatever bytes it has."""
    if "://" in uri or not uri:
        raise InputError(f"{uri!r}: write a local path or s3://bucket/path")
    return os.path.abspath(uri)


def absolute(uri: str | os.PathLike[str]) -> str:
    """A URI that means the same in every process: local paths from the root, s3:// as it is.

    Paths of pathlib are taken, as people write them in Python. Raises :class:`InputError` for an empty one, which would
    mean the working folder: a variable that is not set.
    """
    uri = os.fspath(uri)
    if not uri:
        raise InputError("'': write a local path or s3://bucket/path")
    return uri if is_s3(uri) else os.path.abspath(uri)


def join(uri: str, *parts: str) -> str:
    """``uri`` with ``parts`` below it."""
    return "/".join([uri.rstrip("/"), *parts])


def name_of(uri: str) -> str:
    """The last component of ``uri``."""
    return uri.rstrip("/").rpartition("/")[2]


def kind(uri: str) -> pafs.FileType:
    """``FileType.File``, ``Directory`` or ``NotFound``. Raises :class:`InputError` when storage refuses to say."""
    filesystem, path = open_uri(uri)
    try:
        return filesystem.get_file_info(path).type
    except OSError as error:
        raise InputError(f"{uri}: cannot be read: {first_line(error)}") from None


def exists(uri: str) -> bool:
    """Whether ``uri`` is a file or a folder. Raises :class:`InputError` when storage refuses to say."""
    return kind(uri) != pafs.FileType.NotFound


def read_bytes(uri: str) -> bytes:
    """The whole file. Raises ``OSError`` (``FileNotFoundError`` when there is none)."""
    return read_stamped(uri)[0]


def read_stamped(uri: str) -> tuple[bytes, str]:
    """The whole file, and its stamp as :func:`list_stamped` gives it. Raises ``OSError``."""
    if not is_s3(uri):
        path = _local_path(uri)
        stamp = _local_stamp(os.stat(path))  # taken first: a change meanwhile is one that a later look notices
        return Path(path).read_bytes(), stamp
    attempt = 0
    while True:  # boto3 retries requests, but not bodies that break off
        try:
            with _as_os_error(uri):
                seen = s3_client().get_object(**_bucket_key(uri))
                return seen["Body"].read(), _s3_stamp(seen["ContentLength"], seen["ETag"])
        except FileNotFoundError:
            raise
        except OSError:
            attempt += 1
            if attempt == BODY_ATTEMPTS:
                raise


def write_bytes(uri: str, data: bytes) -> None:
    """Write a file whole or not at all: a local file moves into place, an S3 upload is one request.

    Parent folders are made. Raises ``OSError``, and :class:`JobError` where nothing can be written any more.
    """
    write_from(uri, io.BytesIO(data))


def write_from(uri: str, source: IO[bytes]) -> None:
    """As :func:`write_bytes`, all that an open file holds, from its start on."""
    source.seek(0)
    if is_s3(uri):
        with _as_os_error(uri):
            s3_client().put_object(Body=source, **_bucket_key(uri))
        return
    try:
        _write_local(Path(uri), source)
    except OSError as error:
        if error.errno not in FULL:
            raise
        why = f"{uri}: cannot be written: {error.strerror}"
        raise JobError(f"{why}; make room, and start the same command again") from None


def _write_local(target: Path, source: IO[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's files are private
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def delete(uri: str) -> None:
    """Delete one file; on S3 a missing one is not an error."""
    if is_s3(uri):
        with _as_os_error(uri):
            s3_client().delete_object(**_bucket_key(uri))
    else:
        os.unlink(uri)


def delete_parts(uri: str) -> None:
    """Delete what killed processes left half written below a folder; S3 keeps nothing of the kind."""
    for path, _ in () if is_s3(uri) else list_files(uri):
        if name_of(path).startswith(PART):
            delete(join(uri, path))


def check_writable(uri: str) -> None:
    """Raise :class:`InputError` unless files can be written below ``uri``; leaves nothing but the local folder.

    A local file without a name is tried: a process that is killed meanwhile leaves none either. On S3 a killed one
    leaves ``.writable``, which the next run takes away.
    """
    probe = join(uri, ".writable")
    try:
        if is_s3(uri):
            write_bytes(probe, b"")
            delete(probe)
            return
        open_uri(uri)  # refuses what others could not open
        os.makedirs(uri, exist_ok=True)
        tempfile.TemporaryFile(dir=uri, prefix=PART).close()
        Path(probe).unlink(missing_ok=True)  # of an earlier version, killed
    except OSError as error:
        raise InputError(f"{uri}: cannot be written: {first_line(error)}") from None


def list_files(uri: str) -> Iterator[tuple[str, int]]:
    """(path relative to ``uri``, size in bytes) of every regular file below a folder, in a fixed order, as a stream.

    Links to files count, links to folders are not followed. Local names that are not UTF-8 come with surrogate
    escapes, as everywhere in Python. What goes meanwhile is left out. Raises ``OSError``, and :class:`InputError` for a
    folder that this user may not read: what is in it would be missing without a word.
    """
    return ((path, size) for path, size, _ in list_stamped(uri))


def list_stamped(uri: str) -> Iterator[tuple[str, int, str]]:
    """As :func:`list_files`, with a stamp that changes when the file does: size and time of change, or S3's ETag."""
    return _list_s3(uri) if is_s3(uri) else _list_local(os.path.abspath(uri), "")


def stamp_of(uri: str) -> str:
    """The stamp of one file, as :func:`list_stamped` gives it. Raises ``OSError``."""
    if is_s3(uri):
        with _as_os_error(uri):
            seen = s3_client().head_object(**_bucket_key(uri))
        return _s3_stamp(seen["ContentLength"], seen["ETag"])
    return _local_stamp(os.stat(_local_path(uri)))


def folder_links(uri: str) -> Iterator[str]:
    """Paths, relative to a local folder, of links that :func:`list_files` does not follow: to folders, or nowhere.

    Raises :class:`InputError` for a folder that this user may not read.
    """
    for folder, folders, files in () if is_s3(uri) else os.walk(uri, onerror=_tell_unreadable):
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            if os.path.islink(path) and not os.path.isfile(path):
                yield os.path.relpath(path, uri)


def top_names(uri: str) -> Iterator[str]:
    """Names directly below the folder ``uri``; folders end in ``/``. Raises ``OSError``."""
    if not is_s3(uri):
        with os.scandir(uri) as entries:
            yield from sorted(entry.name + "/" * entry.is_dir() for entry in entries)
        return
    prefix = _s3_prefix(uri)
    for page in _s3_pages(uri, Delimiter="/"):
        folders = [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        files = [entry["Key"] for entry in page.get("Contents", [])]
        yield from (name.removeprefix(prefix) for name in folders + files if name != prefix)


def as_text(path: str) -> str:
    """``path`` as valid UTF-8: bytes that are not become ``\\xNN``, and so does the backslash of a name like that."""
    return ESCAPE_LIKE.sub(rb"\\x5c", os.fsencode(path)).decode("utf-8", "backslashreplace")


def first_line(error: BaseException) -> str:
    """The first line of an error's message, for one-line reports."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def s3_client() -> Any:
    """A boto3 client for what Arrow's filesystem cannot do: streamed listings, single and conditional PUTs."""
    return _s3_client(os.environ.get("AWS_ENDPOINT_URL"))


@functools.lru_cache(maxsize=4)
def _s3_filesystem(endpoint: str | None) -> pafs.S3FileSystem:
    retries = pafs.AwsStandardS3RetryStrategy(max_attempts=S3_ATTEMPTS)
    return pafs.S3FileSystem(endpoint_override=endpoint, retry_strategy=retries)


@functools.lru_cache(maxsize=4)
def _s3_client(endpoint: str | None) -> Any:
    import boto3  # heavy
    from botocore.config import Config

    retries = {"total_max_attempts": S3_ATTEMPTS, "mode": "standard"}
    return boto3.client("s3", endpoint_url=endpoint, config=Config(retries=retries))


@contextmanager
def _as_os_error(uri: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        missing = isinstance(error, ClientError) and error.response["Error"]["Code"] in ("NoSuchKey", "404")
        raise (FileNotFoundError if missing else OSError)(f"{uri}: {first_line(error)}") from None


def _bucket_key(uri: str) -> dict[str, str]:
    bucket, _, key = open_uri(uri)[1].partition("/")
    return {"Bucket": bucket, "Key": key}


def _s3_prefix(uri: str) -> str:
    """What the keys below the folder ``uri`` begin with; empty for a whole bucket."""
    key = _bucket_key(uri)["Key"]
    return key + "/" if key else ""


def _s3_pages(uri: str, **options: str) -> Iterator[dict[str, Any]]:
    pages = s3_client().get_paginator("list_objects_v2")
    with _as_os_error(uri):
        yield from pages.paginate(Bucket=_bucket_key(uri)["Bucket"], Prefix=_s3_prefix(uri), **options)


def _s3_stamp(size: int, tag: str) -> str:
    return f"{size}-{tag.strip(chr(34))}"


def _local_stamp(seen: os.stat_result) -> str:
    return f"{seen.st_size}-{seen.st_mtime_ns}"


def _list_s3(uri: str) -> Iterator[tuple[str, int, str]]:
    prefix = _s3_prefix(uri)
    for page in _s3_pages(uri):
        for entry in page.get("Contents", []):
            if not entry["Key"].endswith("/"):  # a folder marker
                yield entry["Key"].removeprefix(prefix), entry["Size"], _s3_stamp(entry["Size"], entry["ETag"])


def _list_local(root: str, below: str) -> Iterator[tuple[str, int, str]]:
    try:
        with os.scandir(os.path.join(root, below)) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except PermissionError as error:
        raise _unreadable(error) from None
    except (FileNotFoundError, NotADirectoryError):
        if not below:
            raise
        return  # it went after its name was read, which may be long ago: a listing is a stream
    for entry in ordered:
        path = os.path.join(below, entry.name)
        if entry.is_dir(follow_symlinks=False):
            yield from _list_local(root, path)
            continue
        seen = _regular(entry)
        if seen is not None:
            yield path, seen.st_size, _local_stamp(seen)


def _regular(entry: os.DirEntry[str]) -> os.stat_result | None:
    """What is known of a file or of what a link leads to; None for what is none, has gone, or leads in a circle."""
    try:
        return entry.stat() if entry.is_file() else None
    except OSError as error:
        if error.errno not in LEADS_NOWHERE:
            raise  # a disk that fails is not to make inputs seem gone
        return None


def _tell_unreadable(error: OSError) -> None:
    if isinstance(error, PermissionError):
        raise _unreadable(error)


def _unreadable(error: OSError) -> InputError:
    return InputError(
        f"{error.filename}: cannot be read: {error.strerror}; let this user read it, or move it out of there"
    )
