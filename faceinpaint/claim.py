"""Whose an output folder is: a note in it says what job made it, so that this job goes on there and no other does."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from typing import Any

from faceinpaint.errors import InputError
from faceinpaint.storage import PART, delete_parts, exists, is_s3, join, read_bytes, top_names, write_bytes


def claim(output: str, note: str, job: dict[str, Any], harmless: Collection[str] = ()) -> None:
    """Make the folder ``output`` that of ``job``, or go on with it, without what a killed process left half written.

    ``note``: a file below it, alone in its folder, that holds ``job`` as JSON. ``harmless``: names that may stand in an
    output that is nobody's yet. Raises :class:`InputError` when the folder is another's.
    """
    path = join(output, note)
    if exists(path):
        check_same(output, json.loads(read_bytes(path)), job)
        delete_parts(output)
        return
    ours = {note.partition("/")[0], *harmless}
    strange = [name for name in top_names(output) if name.rstrip("/") not in ours and not name.startswith(PART)]
    if strange:
        raise InputError(f"{output} is not empty ({strange[0]}): choose an empty `output`")
    delete_parts(output)
    write_bytes(path, json.dumps(job, indent=1).encode())


def check_apart(output: str, source: str, name: str = "input") -> None:
    """Raises :class:`InputError` where an output lies in the folder that is read, or that in it, links followed.

    ``name``: of the parameter that names the folder.
    """
    if lies_in(output, source) or lies_in(source, output):
        raise InputError(f"`output` {output} and `{name}` {source} lie in each other: keep them apart")


def lies_in(uri: str, folder: str) -> bool:
    """Whether ``uri`` is ``folder`` or lies in it, links followed."""
    inside, outside = ((each if is_s3(each) else os.path.realpath(each)).rstrip("/") + "/" for each in (uri, folder))
    return inside.startswith(outside)


def check_same(folder: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises :class:`InputError` unless ``now`` is, as JSON, the job that ``folder`` was made by before."""
    changed = differences(before, json.loads(json.dumps(now)))
    if changed:
        raise InputError(f"{folder} was made with another {', '.join(changed)}: choose another `output`")


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """Dotted names of the values in which two JSON trees differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted(before.keys() | now.keys())
        return [d for n in names for d in differences(before.get(n), now.get(n), f"{path}.{n}".lstrip("."))]
    return [] if before == now else [path]
