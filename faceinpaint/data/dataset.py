"""Encoded pictures of any source as a Ray Dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import pyarrow as pa
import pyarrow.fs as pafs
import ray
from ray.data import Dataset, Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from faceinpaint.data.archives import is_archive
from faceinpaint.data.places import check_source, count_pictures, is_parquet
from faceinpaint.data.source import Wanted, archive_rows, filtered, listing, parquet_readers, read_files, single_row
from faceinpaint.storage import kind

FILES_A_TASK = 16


def read_pictures(uri: str, wanted: Wanted | None = None, labels: bool = False, number: bool = True) -> Dataset:
    """Pictures of any source: ``key``, ``image`` (encoded bytes), ``error``, ``stamp``; ``mask`` of Parquet with one.

    ``labels``: with ``label``, the label maps of Parquet that has them.

    ``key`` is the path relative to ``uri`` (bytes that are not UTF-8 escaped as ``\\xNN``), the file's own name for a
    single file, the path in an archive, or Parquet's ``key``. Every regular file is a row, in a fixed order. A row
    whose bytes cannot be read has a null ``image`` and says why in ``error``; ``stamp`` changes when the file does, and
    is null in Parquet. Rows of Parquet that share a key are told apart by :mod:`.parquet_keys`, unless ``number`` is
    false. Blocks may be few and large: repartition. ``wanted``: rows whose key is not wanted are left out,
    and files of a folder not even read. Raises :class:`InputError` when there is nothing to read.
    """
    check_source(uri)
    keep = partial(filtered, wanted=wanted)
    if is_parquet(uri):
        return _dataset([partial(keep, rows) for rows in parquet_readers(uri, labels, number)])
    if kind(uri) == pafs.FileType.Directory:
        names = _dataset([partial(keep, partial(listing, uri))]).repartition(target_num_rows_per_block=FILES_A_TASK)
        return names.map_batches(partial(read_files, uri), batch_size=None, batch_format="pyarrow")
    rows = archive_rows if is_archive(uri) else single_row
    return _dataset([partial(keep, partial(rows, uri))])


class _Rows(Datasource):
    """A Ray data source of independent generators of tables."""

    def __init__(self, generators: list[Callable[[], Iterable[pa.Table]]]):
        super().__init__()
        self._generators = generators

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism, per_task_row_limit=None, data_context=None) -> list[ReadTask]:
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(rows, unknown, per_task_row_limit=per_task_row_limit) for rows in self._generators]


def _dataset(generators: list[Callable[[], Iterable[pa.Table]]]) -> Dataset:
    return ray.data.read_datasource(_Rows(generators), override_num_blocks=len(generators))


def counting(uri: str) -> Callable[[bool], int | None]:
    """Begin to count the pictures of a source on the side.

    The result tells their number: None while it is not known, unless its argument says to wait.
    """
    count = ray.remote(num_cpus=0)(count_pictures).remote(uri)
    return lambda wait: ray.get(count) if wait or ray.wait([count], timeout=0)[0] else None
