"""Bulk detection, and restoration that takes its holes from the detector."""

import hashlib
import io

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from faceinpaint.commands import detect as command
from faceinpaint.errors import InputError
from faceinpaint.inference.detect import _check_complete, detect
from faceinpaint.inference.proposals import ProposalRow, ProposalTable, read_proposals
from faceinpaint.inference.restore import restore
from tests.green import GREEN, with_green_detector


@pytest.fixture(scope="module")
def weights(tiny_weights, tmp_path_factory):
    """Tiny weights with a detector that marks pure green."""
    return with_green_detector(tiny_weights, tmp_path_factory.mktemp("with-detector") / "weights")


def encoded(picture, kind="PNG"):
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, kind)
    return sink.getvalue()


@pytest.fixture
def scans(tmp_path):
    """A damaged picture, a clean one, a text file and a broken PNG; the damage's place."""
    folder = tmp_path / "scans"
    (folder / "box").mkdir(parents=True)
    base = np.full((60, 90, 3), (120, 90, 70), np.uint8)
    torn = base.copy()
    torn[20:31, 40:52] = GREEN
    (folder / "box/torn.png").write_bytes(encoded(torn))
    (folder / "clean.png").write_bytes(encoded(base))
    (folder / "notes.txt").write_bytes(b"no picture")
    (folder / "broken.png").write_bytes(encoded(base)[:150])
    return folder


def test_masks_rows_and_page(ray_local, scans, weights, tmp_path):
    out = tmp_path / "proposals"
    counts = detect(input=str(scans), output=str(out), weights=weights)
    assert counts == {"proposed": 1, "clean": 1, "skipped": 1, "failed": 1}
    assert [path.name for path in (out / "masks").rglob("*.png")] == ["torn.png.png"]
    mask = cv2.imread(str(out / "masks/box/torn.png.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (60, 90)
    assert (mask[20:31, 40:52] == 255).all()
    assert 130 < np.count_nonzero(mask) < 220
    rows = {row.key: row for row in read_proposals(str(out))}
    torn = rows["box/torn.png"]
    assert torn.status == "proposed"
    assert torn.hole_ratio == pytest.approx(np.count_nonzero(mask) / mask.size)
    assert torn.confidence > 0.9
    assert torn.input_sha256 == hashlib.sha256((scans / "box/torn.png").read_bytes()).hexdigest()
    assert rows["clean.png"].confidence > 0.9
    assert rows["notes.txt"].status == "skipped"
    assert rows["broken.png"].status == "failed"
    page = (out / "review.html").read_text()
    assert "box/torn.png" in page
    assert "clean.png" not in page
    (scans / "late.png").write_bytes((scans / "box/torn.png").read_bytes())
    (out / "masks/box/torn.png.png").unlink()
    again = detect(input=str(scans), output=str(out), weights=weights)
    assert again["proposed"] == 2
    assert [path.name for path in (out / "masks").rglob("*.png")] == ["late.png.png"]  # what is done is done
    (scans / "late.png").unlink()
    assert detect(input=str(scans), output=str(out), weights=weights) == again  # its row stays
    with pytest.raises(InputError, match="another detector"):
        detect(input=str(scans), output=str(out), weights=weights, sensitivity=0.7)


def test_refused_pictures_get_restorations_reason(ray_local, scans, weights, tmp_path):
    detect(input=str(scans), output=str(tmp_path / "p"), weights=weights)
    restore(input=str(scans), masks="squares", output=str(tmp_path / "r"), weights=weights, no_face="crop")
    ledger = pq.read_table(tmp_path / "r/ledger").to_pylist()
    theirs = {row["key"]: (row["status"], row["reason"]) for row in ledger if row["status"] in ("skipped", "failed")}
    ours = {
        r.key: (r.status, r.reason) for r in read_proposals(str(tmp_path / "p")) if r.status in ("skipped", "failed")
    }
    assert ours == theirs
    assert len(ours) == 2


def test_restoring_with_masks_detect_does_both_and_leaves_clean_pictures_alone(ray_local, scans, weights, tmp_path):
    out = tmp_path / "restored"
    restore(input=str(scans), masks="detect", output=str(out), weights=weights, no_face="crop")
    rows = {row["key"]: row for row in pq.read_table(out / "ledger").to_pylist()}
    assert rows["box/torn.png"]["status"] == "restored-fallback"
    assert (rows["clean.png"]["status"], rows["clean.png"]["reason"]) == ("skipped", "no damage found")
    after = np.asarray(Image.open(out / "box/torn.png"))
    assert not (after == GREEN).all(-1).any()
    assert (after[:15] == (120, 90, 70)).all()
    assert not (out / "clean.png").exists()


def test_parquet_keys_that_are_no_paths_cost_their_row(ray_local, scans, weights, tmp_path):
    data = (scans / "box/torn.png").read_bytes()
    pq.write_table(pa.table({"key": ["../x", "fine"], "image": [data, data]}), tmp_path / "in.parquet")
    counts = detect(input=str(tmp_path / "in.parquet"), output=str(tmp_path / "p"), weights=weights)
    assert counts == {"failed": 1, "proposed": 1}
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sensitivity": 1.5}, "`sensitivity` 1.5"),
        ({"output": "inside"}, "lie in each other"),
        ({"output": "linked"}, "lie in each other"),
        ({"weights": "bare"}, "no weights at"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(
    ray_local, scans, weights, tiny_weights, tmp_path, change, message
):
    (tmp_path / "link").symlink_to(scans)
    places = {"inside": f"{scans}/out", "linked": str(tmp_path / "link/out"), "bare": tiny_weights}
    wanted = {"input": str(scans), "output": str(tmp_path / "p"), "weights": weights, **change}
    with pytest.raises(InputError, match=message):
        detect(**{name: places.get(value, value) for name, value in wanted.items()})
    assert not (tmp_path / "p").exists()


def test_the_command_says_what_to_do_next(ray_local, scans, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("faceinpaint.ray_session.disconnect", lambda: None)
    out = str(tmp_path / "p")
    assert command.main(["--input", str(scans), "--output", out, "--weights", weights]) == 0
    assert f"faceinpaint serve --weights {weights} --input {scans} --masks {out}" in capsys.readouterr().out


def test_an_input_without_a_row_is_a_failure_and_a_row_without_an_input_is_none(scans, tmp_path, capsys):
    table = ProposalTable(str(tmp_path))
    table.add([ProposalRow(key=key) for key in ("box/torn.png", "broken.png", "gone.png", "notes.txt")])
    table.flush()
    with pytest.raises(RuntimeError, match="1 of 4 inputs have no row"):
        _check_complete(str(scans), table)
    table.add([ProposalRow(key="clean.png")])
    table.flush()
    _check_complete(str(scans), table)
    assert "1 rows are of inputs that are gone" in capsys.readouterr().out


def test_tables_of_proposals_turn_over_and_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("faceinpaint.inference.table.ROWS_A_FILE", 3)
    table = ProposalTable(str(tmp_path))
    table.open()
    for i in range(7):
        table.add([ProposalRow(key=str(i), status="clean")])
    table.flush()
    again = ProposalTable(str(tmp_path))
    assert len(again.open()) == 7
    again.add([ProposalRow(key="7", status="proposed")])
    again.flush()
    assert [row.key for row in read_proposals(str(tmp_path))] == [str(i) for i in range(8)]
    assert again.counts == {"clean": 7, "proposed": 1}
