"""The ledger holds each input once, in few files, whatever happens between flushes."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from faceinpaint.inference import table as module
from faceinpaint.inference.ledger import Ledger
from faceinpaint.inference.row import ROW, LedgerRow
from faceinpaint.inference.table import contains, table_of


def rows(keys, status="restored"):
    return [LedgerRow(key=key, status=status) for key in keys]


def written(folder):
    return sorted(k for path in (folder / "ledger").glob("*.parquet") for k in pq.read_table(path)["key"].to_pylist())


@pytest.fixture
def five_a_file(monkeypatch):
    monkeypatch.setattr(module, "ROWS_A_FILE", 5)


def test_rows_fill_files_and_a_later_run_goes_on(tmp_path, five_a_file):
    first = Ledger(str(tmp_path))
    assert len(first.open()) == 0
    first.add(rows("abc"))
    first.flush()
    first.add(rows("defg"))
    first.flush()
    second = Ledger(str(tmp_path))
    known = second.open()
    assert second.counts["restored"] == 7
    assert contains(known, list("agx")).tolist() == [True, True, False]
    second.add(rows("hij"))
    second.flush()
    assert written(tmp_path) == list("abcdefghij")
    assert sorted(path.name for path in (tmp_path / "ledger").iterdir()) == [f"part-{i:06d}.parquet" for i in (0, 1)]


def test_rows_added_together_are_kept_together(tmp_path, five_a_file):
    book = Ledger(str(tmp_path))
    book.open()
    book.add(rows("abcd"))
    book.add(rows("efgh"))  # fills the file; no flush follows
    assert written(tmp_path) == list("abcdefgh")


def test_what_was_not_flushed_is_missing_not_half_there(tmp_path):
    first = Ledger(str(tmp_path))
    first.open()
    first.add(rows("ab"))
    first.flush()
    first.add(rows("c"))
    assert contains(Ledger(str(tmp_path)).open(), list("abc")).tolist() == [True, True, False]


def test_failed_rows_are_dropped_on_request_alone(tmp_path):
    first = Ledger(str(tmp_path))
    first.open()
    first.add(rows("ab"))
    first.add(rows("c", "failed"))
    first.flush()
    assert contains(Ledger(str(tmp_path)).open(), ["c"])[0]
    again = Ledger(str(tmp_path))
    assert not contains(again.open(drop_failed=True), ["c"])[0]
    assert again.counts == {"restored": 2}
    assert written(tmp_path) == ["a", "b"]


def test_a_million_keys_cost_sixteen_bytes_each():
    known = np.sort(module.digests(str(i) for i in range(10_000)))
    assert known.nbytes == 160_000
    assert contains(known, ["9999", "10000"]).tolist() == [True, False]


def test_columns_follow_from_the_fields_of_a_row():
    columns = {name: str(kind) for name, kind in zip(ROW.names, ROW.types, strict=True)}
    assert list(columns)[:2] == ["key", "status"]
    assert columns["status"] == columns["reason"] == "string"
    assert columns["hole_ratio"] == columns["seconds"] == "double"
    assert columns["faces"] == columns["schema"] == "int32"
    table = table_of([LedgerRow(key="a", status="skipped", hole_ratio=0.25)], ROW)
    assert table.schema == ROW
    assert table.select(["key", "status", "hole_ratio", "faces"]).to_pylist() == [
        {"key": "a", "status": "skipped", "hole_ratio": 0.25, "faces": None}
    ]
