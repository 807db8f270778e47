"""Which file of a folder of masks belongs to a picture.

The mask of ``dir/name.ext`` is ``dir/name.ext.png``, else ``dir/name.png``; else one of those names with another suffix
of pictures, in capitals, or in the other Unicode form (an accent as part of its letter, or behind it). What is only
like the name is not taken, but named in the reason.
"""

from __future__ import annotations

import bisect
import difflib
import functools
import os
import time
import unicodedata
from dataclasses import dataclass

from faceinpaint.errors import InputError
from faceinpaint.storage import as_text, is_s3, join, read_stamped, top_names

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".jpg", ".jpeg", ".tga", ".pgm", ".pbm", ".ppm", ".jp2")
FEW_NAMES = 2_000  # of a folder, in which the most similar name is looked for
LISTED_FOR = 30  # seconds that a listing on S3 is believed
NOT_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


@dataclass(frozen=True)
class Names:
    """The names of one folder. by_form: name in one Unicode form, its suffix in small letters -> names as they are;
    ordered: those names in order, folders among them."""

    by_form: dict[str, list[str]]
    ordered: list[str]


def find_mask(uri: str, key: str) -> tuple[str, bytes, str]:
    """The mask of picture ``key`` in the folder ``uri``: its path below it, its bytes, and its stamp.

    Raises :class:`InputError` with the reason where there is none, and ``OSError`` where it cannot be read.
    """
    folders, _, name = key.rpartition("/")
    if ".." in folders.split("/") or key.startswith("/"):
        raise InputError("no mask: the key leaves the folder of masks")
    stem = name.rpartition(".")[0] or name
    place = [part for part in folders.split("/") if part]
    for candidate in dict.fromkeys([f"{name}.png", f"{stem}.png"]):
        read = _read(uri, [*place, candidate])
        if read is not None:
            return as_text("/".join([*place, candidate])), *read
    found = _folder(uri, place)
    if found is None:
        raise InputError(f"no mask: neither {name}.png nor {stem}.png, since {uri} has no folder {folders}")
    names = _names(join(uri, *found))
    for form in _forms(name, stem):
        for candidate in names.by_form.get(form, ()):
            read = _read(uri, [*found, candidate])
            if read is not None:
                return as_text("/".join([*found, candidate])), *read
    raise InputError(_reason(uri, name, stem, names))


def _read(uri: str, parts: list[str]) -> tuple[bytes, str] | None:
    """Bytes and stamp; None where nothing stands."""
    try:
        return read_stamped(join(uri, *parts))
    except NOT_THERE:
        return None
    except OSError as error:
        if error.errno in (36, 63):  # a longer name than file systems have, Linux' and macOS' numbers
            return None
        raise


def _forms(name: str, stem: str) -> list[str]:
    """Names that a mask may have, best first, as :class:`Names` knows them."""
    forms = [_form(base + suffix) for base in (name, stem) for suffix in SUFFIXES]
    return list(dict.fromkeys([*forms, _form(name)]))


def _form(name: str) -> str:
    stem, dot, suffix = unicodedata.normalize("NFC", name).rpartition(".")
    return stem + dot + suffix.lower()


def _folder(uri: str, place: list[str]) -> list[str] | None:
    """The folder's path as it is written below ``uri``; None where there is none."""
    found: list[str] = []
    for part in place:
        # A folder's listing may hold folders alone, and their names no suffix.
        below = _names(join(uri, *found)).by_form
        same = [name for name in below.get(_form(part), ()) if name.endswith("/") or is_s3(uri)]
        same = same or list(below.get(_form(part + "/"), ()))
        if not same:
            return None
        found.append((part + "/" if part + "/" in same else same[0]).rstrip("/"))
    return found


def _names(folder: str) -> Names:
    """The folder's names. Listed anew when it changes, so that masks brought later are found."""
    if is_s3(folder):
        return _listed(folder, int(time.time() / LISTED_FOR))
    try:
        return _listed(folder, os.stat(folder).st_mtime_ns)
    except NOT_THERE:
        return Names({}, [])


@functools.lru_cache(maxsize=8)
def _listed(folder: str, stamp: int) -> Names:
    try:
        names = list(top_names(folder))
    except NOT_THERE:
        return Names({}, [])
    by_form: dict[str, list[str]] = {}
    for name in names:
        by_form.setdefault(_form(as_text(name)), []).append(name)  # as keys are written, which are text already
    return Names(by_form, sorted(names))


def _reason(uri: str, name: str, stem: str, names: Names) -> str:
    reason = f"no mask: neither {name}.png nor {stem}.png beside its place in {uri}"
    near = _nearest(stem, names)
    if near is None:
        return reason
    same = near.rpartition(".")[0].casefold() in (stem.casefold(), name.casefold())
    why = "differs in capitals" if same else "is like it"
    return f"{reason}; {as_text(near)} is there, which {why}: rename it to {stem}.png"


def _nearest(stem: str, names: Names) -> str | None:
    """A name that a person may have meant."""
    wanted = unicodedata.normalize("NFC", stem).casefold()
    files = [entry for entry in names.ordered if not entry.endswith("/")] if len(names.ordered) <= FEW_NAMES else []
    for entry in files:
        if wanted in unicodedata.normalize("NFC", as_text(entry)).casefold():
            return entry
    if files:
        return next(iter(difflib.get_close_matches(f"{stem}.png", files, 1, 0.8)), None)
    place = bisect.bisect_left(names.ordered, stem)
    following = names.ordered[place] if place < len(names.ordered) else ""
    return following if following.startswith(stem) else None
