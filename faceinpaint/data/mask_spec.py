"""The mask SPEC of the jobs: where each picture's hole comes from.

A SPEC is ``squares``, ``squares:SIDE``, ``freeform:LOW-HIGH`` (generated), ``alpha`` (transparent pixels),
``color:#RRGGBB`` (a marker colour), a folder (:mod:`~faceinpaint.data.mask_names` says which file is whose), a Parquet
with ``key`` and ``mask``, or one picture for all. :mod:`~faceinpaint.data.marked_holes` takes the hole from it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from faceinpaint.data.mask_pictures import MaskPicture, decode_mask
from faceinpaint.data.masks import Freeform, Squares, parse_generated
from faceinpaint.data.parquet_columns import DAMAGE, check_columns, picture_at, plain
from faceinpaint.data.parquet_keys import every_key
from faceinpaint.data.places import is_parquet, parquet_files
from faceinpaint.data.user_masks import WHITE, check_hole
from faceinpaint.errors import InputError
from faceinpaint.storage import absolute, exists, first_line, join, kind, list_stamped, open_uri, read_bytes, stamp_of

MASKS_TOGETHER = 256  # rows of a Parquet


@dataclass(frozen=True)
class Alpha:
    """Transparent pixels are the hole."""


@dataclass(frozen=True)
class Colour:
    """Pixels of a marker colour are the hole."""

    rgb: tuple[int, int, int]

    @property
    def name(self) -> str:
        """#RRGGBB."""
        return "#" + "".join(f"{level:02X}" for level in self.rgb)


@dataclass(frozen=True)
class MaskFolder:
    """A tree of mask pictures beside the tree of pictures. proposed: a detection's, which has none for most of them."""

    uri: str
    proposed: bool = False


@dataclass(frozen=True)
class MaskParquet:
    """Rows of ``key`` and ``mask`` (encoded). stamp: changes when the files do, so that no process keeps old masks."""

    uri: str
    stamp: str = ""


@dataclass(frozen=True)
class MaskFile:
    """One mask for all pictures."""

    mask: MaskPicture = field(repr=False)
    stamp: str = ""


@dataclass(frozen=True)
class Detected:
    """The detector finds the hole, see :mod:`faceinpaint.inference.finder`."""


@dataclass(frozen=True)
class Proposed:
    """What it found in one picture: the hole as a PNG, white; empty: none, and ``reason`` says why; failed: it could
    not look."""

    png: bytes = field(repr=False)
    reason: str
    failed: bool = False


MaskSpec = Squares | Freeform | Alpha | Colour | MaskFolder | MaskParquet | MaskFile | Detected | Proposed


def absolute_masks(spec: str | os.PathLike[str]) -> str:
    """A SPEC that means the same in every process: a local path from the root, anything else as it is.

    Raises :class:`InputError` as :func:`parse_masks` does.
    """
    spec = os.fspath(spec)
    is_path = _named(spec) is None and ("/" in spec or exists(spec))
    return absolute(spec) if is_path else spec


def parse_masks(spec: str) -> MaskSpec:
    """Understand a SPEC and check what can be checked before any picture is read.

    Raises :class:`InputError` for a SPEC that is none of the above, and for a single file that is not a usable mask.
    """
    named = _named(spec)
    if named is not None:
        return named
    what = kind(spec)
    if what == pafs.FileType.NotFound:
        known = "squares, squares:SIDE, freeform:LOW-HIGH, alpha, color:#RRGGBB, a folder, a Parquet or a picture"
        raise InputError(f"masks {spec!r}: no such file or folder; give {known}")
    if spec.rstrip("/").endswith(".parquet") or is_parquet(spec):
        masks = MaskParquet(spec, _stamp_of(spec, what))
        _mask_index(masks)
        return masks
    if what == pafs.FileType.Directory:
        return MaskFolder(spec, proposed=exists(join(spec.rstrip("/").rpartition("/")[0] or ".", "proposals")))
    return _single(spec)


def _named(spec: str) -> MaskSpec | None:
    """A SPEC that is no path, whatever lies in the working folder under its name; None for any other."""
    if spec == "alpha":
        return Alpha()
    if spec == "detect":
        return Detected()
    if spec.startswith("color:"):
        digits = re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", spec.removeprefix("color:"))
        if digits is None:
            raise InputError(f"masks {spec!r}: write color:#RRGGBB, such as color:#00FF00")
        return Colour((int(digits[1], 16), int(digits[2], 16), int(digits[3], 16)))
    return parse_generated(spec)


def _single(uri: str) -> MaskFile:
    try:
        data = read_bytes(uri)
        mask = decode_mask(data)
        check_hole((mask.levels >= WHITE).astype(np.uint8), seen=mask.seen)
    except (OSError, InputError) as error:
        raise InputError(f"masks {uri}: {first_line(error)}") from None
    return MaskFile(mask, hashlib.sha256(data).hexdigest()[:32])


def _stamp_of(uri: str, what: pafs.FileType) -> str:
    stamps = [stamp_of(uri)] if what == pafs.FileType.File else list(list_stamped(uri))
    return hashlib.sha256(repr(stamps).encode()).hexdigest()


def mask_of_key(masks: MaskParquet, key: str) -> bytes:
    """The encoded mask of ``key`` in a Parquet. Raises :class:`InputError` where there is none."""
    index = _mask_index(masks)
    place = index.get(key) or index.get(unicodedata.normalize("NFC", key))
    if place is None:
        raise InputError(f"no mask: no row for this key in {masks.uri}")
    path, group, row = place
    mask = picture_at(_mask_column(masks, path, group), row)
    if mask is None:
        raise InputError(f"no mask: an empty row for this key in {masks.uri}")
    return mask


def every_mask(uri: str) -> Iterator[tuple[str, bytes]]:
    """(key, encoded mask) of each row of a Parquet that has one, streamed. Raises :class:`InputError` for damage."""
    paths = parquet_files(uri)
    keys = every_key(uri, paths)
    for path in paths:
        try:
            file = pq.ParquetFile(path, filesystem=open_uri(uri)[0])
            for batch in file.iter_batches(MASKS_TOGETHER, columns=["mask"]):
                masks = plain(batch.column("mask")).to_pylist()
                named = zip(islice(keys, len(masks)), masks, strict=True)
                yield from ((key, mask) for key, mask in named if mask is not None)
        except DAMAGE as error:
            raise InputError(f"masks {path}: cannot be read: {first_line(error)}; bring a whole file") from None


@functools.lru_cache(maxsize=2)
def _mask_index(masks: MaskParquet) -> dict[str, tuple[str, int, int]]:
    """Where each key's mask lies: file, row group, row. Keys alone are held, masks are read as they are needed."""
    uri = masks.uri
    index: dict[str, tuple[str, int, int]] = {}
    paths = parquet_files(uri)
    try:
        files = [pq.ParquetFile(path, filesystem=open_uri(uri)[0]) for path in paths]
        for path, file in zip(paths, files, strict=True):
            check_columns(f"masks {path}", file.schema_arrow, ["mask"])
        keys = every_key(uri, paths)
        for path, file in zip(paths, files, strict=True):
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                index.update((key, (path, group, row)) for row, key in enumerate(islice(keys, rows)))
    except DAMAGE as error:
        raise InputError(f"masks {uri}: no readable Parquet: {first_line(error)}") from None
    for key in list(index):
        index.setdefault(unicodedata.normalize("NFC", key), index[key])
    return index


@functools.lru_cache(maxsize=4)
def _mask_column(masks: MaskParquet, path: str, group: int) -> pa.ChunkedArray:
    return pq.ParquetFile(path, filesystem=open_uri(masks.uri)[0]).read_row_group(group, columns=["mask"])["mask"]
