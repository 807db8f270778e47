"""Members of zip and tar archives as rows, streamed; a damaged member costs its row, a damaged stream its rest."""

from __future__ import annotations

import lzma
import posixpath
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

import pyarrow as pa

from faceinpaint.data.zip_names import member_names
from faceinpaint.storage import as_text, first_line, is_s3, name_of, open_uri

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
LARGEST_FILE = 2**30  # bytes; a larger file is not a photograph and would fill a worker's memory
ROTTEN = (
    OSError,
    pa.ArrowInvalid,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    UnicodeError,  # of a name beside the member that says it is UTF-8
    NotImplementedError,
    RuntimeError,
)

Member = tuple[str, str, "Callable[[], bytes] | str"]  # key, stamp, and how to read it or why it cannot be read


def is_archive(uri: str) -> bool:
    """Whether a name is that of an archive."""
    return uri.lower().endswith(SUFFIXES)


def members(uri: str) -> Iterator[Member]:
    """Every file of an archive, in its order. What a tar's member reads must be read before the next one is asked for.

    A stamp changes when the member does. Raises one of ROTTEN when the archive cannot be opened.
    """
    return _zip_members(uri) if uri.lower().endswith(".zip") else _tar_members(uri)


def content(member: Member) -> tuple[bytes | None, str | None]:
    """A member's bytes, or None and why not."""
    how = member[2]
    if isinstance(how, str):
        return None, how
    try:
        return how(), None
    except ROTTEN as error:
        return None, f"cannot be read: {first_line(error)}"


def _open(uri: str) -> IO[bytes]:
    filesystem, path = open_uri(uri)
    return filesystem.open_input_file(path) if is_s3(uri) else open(path, "rb")


def _too_large(size: int) -> str | None:
    return f"{size} bytes: more than {LARGEST_FILE}, no photograph" if size > LARGEST_FILE else None


def zip_entries(archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """The key of every file of a zip, and its entry."""
    seen: Counter[str] = Counter()
    found = archive.infolist()
    for entry, name in zip(found, member_names(found), strict=True):
        if not entry.is_dir() and not name.endswith("/"):
            yield _unique(name, seen), entry


def _zip_members(uri: str) -> Iterator[Member]:
    with _open(uri) as file, zipfile.ZipFile(file) as archive:
        for key, entry in zip_entries(archive):
            stamp = f"{entry.file_size}-{entry.CRC:08x}"
            yield key, stamp, _too_large(entry.file_size) or partial(archive.read, entry)


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None, "members that are files have bytes"
    return file.read()


def _tar_members(uri: str) -> Iterator[Member]:
    seen: Counter[str] = Counter()
    with _open(uri) as file, tarfile.open(fileobj=file, mode="r|*") as archive:
        try:
            for member in archive:
                stamp = f"{member.size}-{member.mtime}"
                if member.islnk():  # its bytes came with another name, and a stream does not go back
                    why = f"a hard link to {as_text(member.linkname)} in the archive: unpack it first"
                    yield _unique(member.name, seen), stamp, why
                elif member.isfile():
                    key = _unique(member.name, seen)
                    yield key, stamp, _too_large(member.size) or partial(_extracted, archive, member)
        except ROTTEN as error:  # a stream cannot go on behind the damage
            yield _unique(name_of(uri), seen), "", f"the archive is damaged from here on: {first_line(error)}"


def _unique(name: str, seen: Counter[str]) -> str:
    """An archive may hold one name twice, or write it in two ways (``./a``, ``a``); each entry needs its own key."""
    key = name = as_text(posixpath.normpath(name))
    while seen[key]:
        seen[name] += 1
        key = f"{name}#{seen[name]}"
    seen[key] += 1
    return key
