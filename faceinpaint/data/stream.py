"""The training stream: which samples make up which step, read and decoded here, or on Ray by :mod:`.ray_stream`.

The order of samples is a pure function of the data, the seed and the global batch, so a run can stop at any step and go
on there, and any number of workers together see the same global batches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from faceinpaint.config import HoleConfig
from faceinpaint.data.damage.paint import Damage, painter
from faceinpaint.data.labels import decode_labels, mirrored_labels
from faceinpaint.data.masks import training_hole
from faceinpaint.data.parquet_columns import check_columns, picture_at
from faceinpaint.errors import InputError
from faceinpaint.hashing import stable_hash
from faceinpaint.images import Crop, crop_to, cut_out
from faceinpaint.photos.decode import decode_rgb
from faceinpaint.storage import list_files, open_uri

BLOCK_SAMPLES = 512  # global samples that are read together
WINDOW_ROWS = 4096  # samples shuffled together: row groups are drawn at random until they hold so many


@dataclass(frozen=True)
class RowGroup:
    """A part of a Parquet file that is read at once."""

    path: str
    index: int
    rows: int


@dataclass(frozen=True)
class TrainingData:
    """Parquet pictures: their row groups in a fixed order, and a hash of the files' footers and sizes."""

    uri: str
    groups: tuple[RowGroup, ...]
    sha256: str

    @property
    def rows(self) -> int:
        """Pictures in all groups."""
        return sum(group.rows for group in self.groups)


def open_training_data(uri: str, labels: bool = False) -> TrainingData:
    """Read the footers of a Parquet file or folder (columns ``key`` and ``image``), local or s3://.

    ``labels``: there must be a column ``label`` too. Raises :class:`InputError` when there is no Parquet, a file is
    damaged, a column is missing or all are empty.
    """
    filesystem, root = open_uri(uri)
    groups, digest = [], hashlib.sha256()
    for path in _parquet_paths(uri, filesystem, root):
        try:
            file = pq.ParquetFile(path, filesystem=filesystem)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a readable Parquet file: {error}") from None
        missing = {"key", "image"} - set(file.schema_arrow.names)
        if missing:
            raise InputError(
                f"{path} has no column {', '.join(sorted(missing))}: prepare pictures by faceinpaint prepare"
            )
        if labels and "label" not in file.schema_arrow.names:
            raise InputError(
                f"{path} has no column label: this stage learns from label maps, PNGs of class numbers (docs/data.md)"
            )
        check_columns(path, file.schema_arrow, ["image", *(["label"] if labels else [])])
        sizes = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        digest.update(repr([(size.num_rows, size.total_byte_size) for size in sizes]).encode())
        groups += [RowGroup(path, i, size.num_rows) for i, size in enumerate(sizes)]
    data = TrainingData(uri, tuple(groups), digest.hexdigest())
    if not data.rows:
        raise InputError(f"{uri} holds no pictures")
    return data


def _parquet_paths(uri: str, filesystem: pafs.FileSystem, root: str) -> list[str]:
    info = filesystem.get_file_info(root)
    if info.type == pafs.FileType.NotFound:
        raise InputError(f"no data at {uri}")
    if info.type == pafs.FileType.File:
        return [root]
    names = sorted(name for name, _ in list_files(uri) if name.endswith(".parquet") and name != "rejected.parquet")
    if not names:
        raise InputError(f"{uri} holds no Parquet files: turn pictures into Parquet by faceinpaint prepare")
    return [f"{root}/{name}" for name in names]


@dataclass(frozen=True)
class SampleOrder:
    """Sample number n of a run -> (epoch, row group, row): every picture once an epoch, shuffled in windows.

    Windows of randomly drawn row groups keep reads sequential while mixing pictures from all over the data.
    """

    rows_a_group: tuple[int, ...]
    seed: int

    def locate(self, numbers: np.ndarray) -> list[tuple[int, int, int]]:
        """Sample numbers (n,) -> n triples (epoch, group, row)."""
        total = sum(self.rows_a_group)
        places = []
        for number in numbers.tolist():
            epoch, position = divmod(number, total)
            starts, windows = _epoch_windows(self.rows_a_group, self.seed, epoch)
            w = int(np.searchsorted(starts, position, side="right")) - 1
            group, row = _shuffled(windows[w], self.rows_a_group, self.seed, epoch, w)[position - starts[w]]
            places.append((epoch, int(group), int(row)))
        return places


@lru_cache(maxsize=4)
def _epoch_windows(rows: tuple[int, ...], seed: int, epoch: int) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """First sample position of each window of an epoch, and each window's row groups."""
    windows: list[tuple[int, ...]] = []
    window: list[int] = []
    for group in np.random.default_rng((seed, epoch)).permutation(len(rows)).tolist():
        window.append(group)
        if sum(rows[g] for g in window) >= WINDOW_ROWS:
            windows.append(tuple(window))
            window = []
    if window:
        windows.append(tuple(window))
    sizes = [sum(rows[g] for g in window) for window in windows]
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]), windows


@lru_cache(maxsize=4)
def _shuffled(window: tuple[int, ...], rows: tuple[int, ...], seed: int, epoch: int, number: int) -> np.ndarray:
    """(n, 2) of (group, row): the window's samples in random order."""
    samples = np.array([(group, row) for group in window for row in range(rows[group])])
    return np.random.default_rng((seed, epoch, number, 1)).permutation(samples)


@dataclass(frozen=True)
class StreamPlan:
    """One worker's part of a run's samples: of each global batch, the slots from rank/workers on."""

    data: TrainingData
    holes: HoleConfig
    size: int  # side of the pictures, pixels
    seed: int
    batch: int  # global
    rank: int = 0
    workers: int = 1
    crop: Crop | None = None
    flip: bool = True
    damage: Damage | None = None  # of the detector's tiles; then a mask is a truth, see data.damage.paint
    classes: int | None = None  # of label maps, which come with the pictures then
    first_sample: int = 0  # number of the run's first sample: one that goes on from another's end has its order go on

    @property
    def slots(self) -> range:
        """This worker's places in each global batch."""
        return range(self.rank * self.batch // self.workers, (self.rank + 1) * self.batch // self.workers)

    def load(self, first_step: int, last_step: int) -> dict[str, Any]:
        """Samples of steps [first, last), in order: key; image uint8 (n, S, S, 3); mask uint8 (n, S, S); draw (n,).

        And label uint8 (n, S, S), with ``classes``.
        """
        steps = range(first_step, last_step)
        numbers = np.concatenate([self.first_sample + step * self.batch + np.array(self.slots) for step in steps])
        order = SampleOrder(tuple(group.rows for group in self.data.groups), self.seed)
        places = order.locate(numbers)
        wanted = {group for _, group, _ in places}
        tables = {group: self._read(group) for group in sorted(wanted)}
        samples = [self._sample(tables, *place) for place in places]
        columns = {name: [sample[name] for sample in samples] for name in samples[0]}
        return {
            name: np.array(values, object) if name == "key" else np.stack(values) for name, values in columns.items()
        }

    def _read(self, group: int) -> Any:
        place = self.data.groups[group]
        filesystem, _ = open_uri(self.data.uri)
        file = pq.ParquetFile(place.path, filesystem=filesystem)
        return file.read_row_group(place.index, columns=["key", "image", *(["label"] if self.classes else [])])

    def _sample(self, tables: dict[int, Any], epoch: int, group: int, row: int) -> dict[str, Any]:
        """The picture at a place; if it cannot be decoded, the next one in its row group that can."""
        table, why = tables[group], ""
        for step in range(table.num_rows):
            place = (row + step) % table.num_rows
            key = table["key"][place].as_py()
            if key is None:  # chance follows the key: pictures without one are not all to get the same hole
                key = f"row {place} of row group {group}"
            chance = stable_hash(f"{self.seed}/{epoch}/{key}")
            sample = {"key": key, "draw": (chance >> 8) % 2**24 / 2**24}
            try:
                whole = decode_rgb(picture_at(table["image"], place) or b"")
                if self.damage is not None:
                    cut = cut_out(whole, self.crop)
                    tile, truth = painter(self.damage).tile(np.random.default_rng(chance), cut)
                    return {**sample, "image": tile, "mask": truth}
                sample["image"] = crop_to(whole, self.size, self.crop)
                if self.classes:
                    labels = decode_labels(picture_at(table["label"], place), whole.shape, self.classes)
                    sample["label"] = crop_to(labels, self.size, self.crop, mix=False)
            except InputError as error:
                print(f"training leaves out {key}: {error}", flush=True)
                why = f"{key}: {error}"
                continue
            if self.flip and chance & 1:
                sample["image"] = sample["image"][:, ::-1]
                if self.classes:
                    sample["label"] = mirrored_labels(sample["label"], self.classes)
            return {**sample, "mask": training_hole(self.holes, self.seed, epoch, key, self.size)}
        raise InputError(f"no picture of row group {group} of {self.data.uri} can be used; the last one, {why}")


def stream_here(plan: StreamPlan, first_step: int, last_step: int) -> Iterator[dict[str, Any]]:
    """One worker's batches of steps [first, last), read and decoded ahead of time by a thread of this process.

    The first block is one step, so that training starts at once; the following ones double up to BLOCK_SAMPLES.
    """
    blocks = _growing_blocks(first_step, last_step, max(1, BLOCK_SAMPLES // plan.batch))
    with ThreadPoolExecutor(1, thread_name_prefix="training data") as pool:
        ahead = [pool.submit(plan.load, *block) for block in islice(blocks, 2)]
        while ahead:
            rows = ahead.pop(0).result()
            ahead += [pool.submit(plan.load, *block) for block in islice(blocks, 1)]
            count = len(plan.slots)
            for start in range(0, len(rows["key"]), count):
                yield {name: values[start : start + count] for name, values in rows.items()}


def _growing_blocks(first_step: int, last_step: int, most: int) -> Iterator[tuple[int, int]]:
    """[first, last) cut into blocks of 1, 2, 4, ... and at last ``most`` steps."""
    steps = 1
    while first_step < last_step:
        end = min(first_step + steps, last_step)
        yield first_step, end
        first_step, steps = end, min(2 * steps, most)
