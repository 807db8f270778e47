"""The mask SPEC of the jobs: where each picture's hole comes from.

A SPEC is ``squares``, ``squares:SIDE``, ``freeform:LOW-HIGH`` (generated), ``alpha`` (transparent pixels),
``color:#RRGGBB`` (a marker colour), a folder (the mask of ``dir/name.ext`` is ``dir/name.ext.png``, else
``dir/name.png``), a Parquet with ``key`` and ``mask``, or one picture for all.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from faceinpaint.data.masks import Freeform, Squares, generated_hole, parse_generated
from faceinpaint.data.source import parquet_files
from faceinpaint.data.user_masks import WHITE, Polarity, check_hole, decode_mask, user_hole
from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.storage import absolute, exists, first_line, join, kind, open_uri, read_bytes

OPAQUE = 128  # pixels below this alpha are hole
COLOUR_TOLERANCE = 16  # levels a channel may be off the marker: JPEG blurs it


@dataclass(frozen=True)
class Alpha:
    """Transparent pixels are the hole."""


@dataclass(frozen=True)
class Colour:
    """Pixels of a marker colour are the hole."""

    rgb: tuple[int, int, int]


@dataclass(frozen=True)
class MaskFolder:
    """A tree of mask pictures beside the tree of pictures."""

    uri: str


@dataclass(frozen=True)
class MaskParquet:
    """Rows of ``key`` and ``mask`` (encoded)."""

    uri: str


@dataclass(frozen=True)
class MaskFile:
    """One mask for all pictures."""

    levels: np.ndarray = field(repr=False)  # uint8 (H, W)


@dataclass(frozen=True)
class Detected:
    """The detector finds the hole, see :mod:`faceinpaint.inference.finder`."""


@dataclass(frozen=True)
class Proposed:
    """What it found in one picture: the hole as a PNG, white; empty: none, and ``reason`` says why."""

    png: bytes = field(repr=False)
    reason: str


MaskSpec = Squares | Freeform | Alpha | Colour | MaskFolder | MaskParquet | MaskFile | Detected | Proposed


def absolute_masks(spec: str) -> str:
    """A SPEC that means the same in every process: a local path from the root, anything else as it is."""
    return absolute(spec) if "/" in spec or exists(spec) else spec


def parse_masks(spec: str) -> MaskSpec:
    """Understand a SPEC and check what can be checked before any picture is read.

    Raises :class:`InputError` for a SPEC that is none of the above, and for a single file that is no usable mask.
    """
    generated = parse_generated(spec)
    if generated is not None:
        return generated
    if spec == "alpha":
        return Alpha()
    if spec == "detect":
        return Detected()
    if spec.startswith("color:"):
        digits = re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", spec.removeprefix("color:"))
        if digits is None:
            raise InputError(f"masks {spec!r}: write color:#RRGGBB, such as color:#00FF00")
        return Colour((int(digits[1], 16), int(digits[2], 16), int(digits[3], 16)))
    what = kind(spec)
    if what == pafs.FileType.NotFound:
        known = "squares, squares:SIDE, freeform:LOW-HIGH, alpha, color:#RRGGBB, a folder, a Parquet or a picture"
        raise InputError(f"masks {spec!r}: no such file or folder; give {known}")
    if spec.rstrip("/").endswith(".parquet"):
        _mask_index(spec)
        return MaskParquet(spec)
    return MaskFolder(spec) if what == pafs.FileType.Directory else MaskFile(_single(spec))


def hole_for(
    spec: MaskSpec, key: str, picture: np.ndarray, alpha: np.ndarray | None, polarity: Polarity, model_size: int
) -> np.ndarray:
    """The hole of picture ``key``: uint8 (H, W), 1 in the hole, neither empty nor total.

    picture: uint8 RGB (H, W, 3), upright; alpha: its transparency uint8 (H, W) or None. ``polarity`` concerns mask
    pictures alone. Raises :class:`InputError` with the reason when there is no usable hole.
    """
    height, width = picture.shape[:2]
    match spec:
        case Squares() | Freeform():
            return check_hole(generated_hole(spec, key, height, width, model_size))
        case Alpha():
            if alpha is None:
                raise InputError("no transparency in the picture to take the hole from")
            return check_hole((alpha < OPAQUE).astype(np.uint8))
        case Colour():
            distance = np.abs(picture.astype(np.int16) - np.array(spec.rgb, np.int16)).max(-1)
            return check_hole((distance <= COLOUR_TOLERANCE).astype(np.uint8))
        case Detected():
            raise AssertionError("each picture's hole comes as Proposed")
        case Proposed():
            if not spec.png:
                raise NoPhotographError(spec.reason)
            return check_hole((decode_mask(spec.png) >= WHITE).astype(np.uint8))
        case MaskFile():
            return user_hole(spec.levels, polarity, height, width)
        case MaskFolder():
            return user_hole(decode_mask(_from_folder(spec.uri, key)), polarity, height, width)
        case MaskParquet():
            return user_hole(decode_mask(_from_parquet(spec.uri, key)), polarity, height, width)


def _single(uri: str) -> np.ndarray:
    try:
        levels = decode_mask(read_bytes(uri))
        check_hole((levels >= WHITE).astype(np.uint8))
    except (OSError, InputError) as error:
        raise InputError(f"masks {uri}: {first_line(error)}") from None
    return levels


def _from_folder(uri: str, key: str) -> bytes:
    folders, _, name = key.rpartition("/")
    if ".." in folders.split("/") or key.startswith("/"):
        raise InputError("no mask: the key leaves the folder of masks")
    stem = name.rpartition(".")[0] or name
    for candidate in dict.fromkeys([f"{name}.png", f"{stem}.png"]):
        try:
            return read_bytes(join(uri, *filter(None, folders.split("/")), candidate))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            continue
    raise InputError(f"no mask: neither {name}.png nor {stem}.png beside its place in {uri}")


def _from_parquet(uri: str, key: str) -> bytes:
    place = _mask_index(uri).get(key)
    if place is None:
        raise InputError(f"no mask: no row for this key in {uri}")
    path, group, row = place
    mask = _mask_column(uri, path, group)[row].as_py()
    if mask is None:
        raise InputError(f"no mask: an empty row for this key in {uri}")
    return mask


@functools.lru_cache(maxsize=2)
def _mask_index(uri: str) -> dict[str, tuple[str, int, int]]:
    """Where each key's mask lies: file, row group, row. Keys alone are held, masks are read as they are needed."""
    index = {}
    try:
        for path in parquet_files(uri):
            file = pq.ParquetFile(path, filesystem=open_uri(uri)[0])
            missing = {"key", "mask"} - set(file.schema_arrow.names)
            if missing:
                raise InputError(f"masks {path}: no column {', '.join(sorted(missing))}")
            for group in range(file.num_row_groups):
                keys = file.read_row_group(group, columns=["key"])["key"].to_pylist()
                index.update({str(key): (path, group, row) for row, key in enumerate(keys)})
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"masks {uri}: no readable Parquet: {first_line(error)}") from None
    return index


@functools.lru_cache(maxsize=4)
def _mask_column(uri: str, path: str, group: int) -> pa.ChunkedArray:
    return pq.ParquetFile(path, filesystem=open_uri(uri)[0]).read_row_group(group, columns=["mask"])["mask"]
