"""Any source of pictures -> Parquet shards for training and evaluation.

The output is a pure function of the source's rows and the options: pictures in source order, ``shard-00000.parquet``
and so on with SHARD_ROWS rows each, and ``rejected.parquet`` (``key``, ``reason``) for what was left out. ``job.json``
under ``_prepare/`` says what made it, so that the same job goes on where it was cut off and no other writes into it.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faceinpaint.claim import check_apart, claim
from faceinpaint.data.archives import is_archive
from faceinpaint.data.labels import decode_labels
from faceinpaint.data.places import REJECTED, check_source, count_pictures, has_labels, note_numbered, works_here
from faceinpaint.data.source import picture_tables
from faceinpaint.data.splits import matching_entry, read_split
from faceinpaint.encoding import parquet_bytes, png_bytes
from faceinpaint.held import held
from faceinpaint.images import Crop, crop_to
from faceinpaint.photos.decode import decode_rgb
from faceinpaint.storage import absolute, check_writable, join, read_bytes, top_names, write_bytes

SHARD_ROWS = 1000
ROW_GROUP = 250
BATCH = 32
NOTE = "_prepare/job.json"

PREPARED = pa.schema(
    [
        ("key", pa.string()),
        ("image", pa.binary()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)  # sha256: of the source's bytes
LABEL = pa.field("label", pa.binary())  # of sources that have label maps: a PNG of class numbers
REASON = pa.field("reason", pa.string())


@dataclass(frozen=True)
class Prepared:
    """What a run did: pictures in all shards, rows of ``rejected.parquet``, number of shards."""

    pictures: int
    rejected: int
    shards: int


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What decides the output's bytes."""

    source: str
    crop: Crop | None = None  # None: the centre square when there is a size, else the whole picture
    size: int | None = None  # None: pictures keep their size
    split_sha256: str | None = None
    labels: bool = False  # the source has label maps, which go through the same crop and size

    def note(self) -> dict[str, Any]:
        """What the folder says of it."""
        fields = asdict(self) | {"shard_rows": SHARD_ROWS}
        if not self.labels:
            del fields["labels"]  # as jobs said before there were any
        return fields

    @property
    def prepared(self) -> pa.Schema:
        """Of the shards."""
        return PREPARED.append(LABEL) if self.labels else PREPARED


def prepare(
    source: str, output: str, crop: Crop | None = None, size: int | None = None, split: str | None = None
) -> Prepared:
    """Write ``source``'s pictures (of one split, if given) as shards below ``output``: few here, others on Ray.

    With a crop or size, pictures become lossless PNG; without, their bytes stay as they are. Label maps of Parquet (a
    column ``label``) go the same way, each pixel from its nearest. Raises
    :class:`InputError` for unusable inputs and for an output that holds anything but this very job's files.
    """
    source, output = absolute(source), absolute(output)
    entries = read_split(split) if split else None
    digest = hashlib.sha256("\n".join(sorted(entries)).encode()).hexdigest() if entries else None
    check_source(source)
    check_apart(output, source, "source")
    job = Preparation(source=source, crop=crop, size=size, split_sha256=digest, labels=has_labels(source))
    check_writable(output)
    claim(output, NOTE, job.note())
    names = set(top_names(output))
    finished = [join(output, name) for name in sorted(names) if name.startswith("shard-")]
    if REJECTED in names:  # written last: nothing is left to do
        made = Prepared(sum(map(_rows, finished)), _rows(join(output, REJECTED)), len(finished))
        whole_read = is_archive(source) and not source.lower().endswith(".zip")  # a tar, for its names alone
        if split is None and not whole_read:  # with a split, absent pictures are among the rejected
            _tell_of_change(source, output, made)
        return made
    note = note_numbered(source)
    if note:
        print(note, flush=True)
    done = {key for uri in finished for key in _column(uri, "key")}
    rows = _rows_here(job, entries, done) if works_here(source) else _rows_on_ray(job, entries, done)
    return _write(rows, output, job.prepared, finished, entries)


def _tell_of_change(source: str, output: str, made: Prepared) -> None:
    """Print a line where a finished output was made of more or fewer files than there are now."""
    before, now = made.pictures + made.rejected, count_pictures(source)
    if before != now:
        what = f"{output} was made of {before} files, and {source} holds {now} now"
        print(f"{what}: it stays as it is; choose another output to take all in", flush=True)


def _rows_here(job: Preparation, entries: frozenset[str] | None, done: set[str]) -> Iterator[pa.Table]:
    """Tables of the job's rows with a ``reason``, of all pictures that are not done, in order."""
    for table in picture_tables(job.source, labels=job.labels):
        yield _prepare_batch(table, job, entries, done)


def _rows_on_ray(job: Preparation, entries: frozenset[str] | None, done: set[str]) -> Iterator[pa.Table]:
    """As :func:`_rows_here`, by Ray Data."""
    import ray

    from faceinpaint.data.dataset import read_pictures
    from faceinpaint.ray_session import connect

    connect()
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    step = partial(_prepare_batch, job=job, entries=ray.put(entries), done=ray.put(done))
    rows = read_pictures(job.source, labels=job.labels).map_batches(step, batch_size=BATCH, batch_format="pyarrow")
    return rows.iter_batches(batch_size=BATCH, batch_format="pyarrow")  # type: ignore[return-value]  # as asked for


def _write(
    batches: Iterable[pa.Table], output: str, schema: pa.Schema, finished: list[str], entries: frozenset[str] | None
) -> Prepared:
    """Shards after the ``finished`` ones, then the table of rejected rows."""
    pending, rejected, count = schema.empty_table(), [], len(finished)
    pictures = before = sum(map(_rows, finished))
    found = {matching_entry(key, entries) for uri in finished for key in _column(uri, "key")} if entries else set()
    began = time.monotonic()
    for batch in batches:
        rejected += [row for row in batch.select(["key", "reason"]).to_pylist() if row["reason"] is not None]
        good = batch.filter(pc.is_null(batch["reason"])).select(schema.names)
        pending = pa.concat_tables([pending, good.cast(schema)])
        pictures += good.num_rows
        if entries:
            found |= {matching_entry(key, entries) for key in batch["key"].to_pylist()}
        while pending.num_rows >= SHARD_ROWS:
            _write_table(_shard(output, count), pending.slice(0, SHARD_ROWS))
            pending, count = pending.slice(SHARD_ROWS), count + 1
            rate = (pictures - before) / (time.monotonic() - began)
            print(f"{pictures} pictures, {len(rejected)} rejected, {rate:.0f} pictures/s", flush=True)
    if pending.num_rows:
        _write_table(_shard(output, count), pending)
        count += 1
    rejected += [
        {"key": entry, "reason": "named by the split, not in the source"}
        for entry in sorted((entries or set()) - found)
    ]
    reasons = pa.schema([("key", pa.string()), REASON])
    _write_table(join(output, REJECTED), pa.Table.from_pylist(rejected, reasons))
    return Prepared(pictures, len(rejected), count)


def _prepare_batch(batch: pa.Table, job: Preparation, entries: Any, done: Any) -> pa.Table:
    """Rows of the job: prepared pictures, or keys with a ``reason``; rows of no split and finished ones are left out.

    entries, done: the keys of both, or references to them.
    """
    split, finished = held(entries), held(done)
    rows = [
        _prepare_row(row, job)
        for row in batch.to_pylist()
        if row["key"] not in finished and (split is None or matching_entry(row["key"], split) is not None)
    ]
    return pa.Table.from_pylist(rows, job.prepared.append(REASON))


def _prepare_row(row: dict[str, Any], job: Preparation) -> dict[str, object]:
    key, data, label = row["key"], row["image"], row.get("label")
    if data is None:
        return {"key": key, "reason": row["error"] or "no picture"}
    as_it_is = job.size is None and job.crop is None
    try:
        picture = decode_rgb(data)
        labels = decode_labels(label, picture.shape) if label is not None else None
        if not as_it_is:
            x0, _, x1, _ = job.crop or (0, 0, 0, 0)
            side = job.size or x1 - x0
            picture = crop_to(picture, side, job.crop)
            label = None if labels is None else png_bytes(crop_to(labels, side, job.crop, mix=False))
    except Exception as failure:  # one hostile file must not end the job, whatever its decoder raises
        return {"key": key, "reason": str(failure) or type(failure).__name__}
    height, width = picture.shape[:2]
    image = data if as_it_is else png_bytes(picture)
    size = {"width": width, "height": height}
    return {"key": key, "image": image, "sha256": hashlib.sha256(data).hexdigest(), "label": label, **size}


def _shard(output: str, number: int) -> str:
    return join(output, f"shard-{number:05d}.parquet")


def _write_table(uri: str, table: pa.Table) -> None:
    write_bytes(uri, parquet_bytes(table, ROW_GROUP))


def _rows(uri: str) -> int:
    return pq.ParquetFile(io.BytesIO(read_bytes(uri))).metadata.num_rows


def _column(uri: str, name: str) -> list[str]:
    return pq.read_table(io.BytesIO(read_bytes(uri)), columns=[name])[name].to_pylist()
