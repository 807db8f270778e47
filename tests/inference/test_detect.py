"""Bulk detection, and restoration that takes its holes from the detector."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

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
from faceinpaint.serving.decisions import Decisions
from tests.encoded import encoded
from tests.fault.test_restoration import CRASHING_DECODER
from tests.green import GREEN, with_green_detector


@pytest.fixture(scope="module")
def weights(tiny_weights, tmp_path_factory):
    """Tiny weights with a detector that marks pure green."""
    return with_green_detector(tiny_weights, tmp_path_factory.mktemp("with-detector") / "weights")


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


def detected(scans, out, weights, **more):
    """The rows by key, of a detection in this process."""
    detect(input=str(scans), output=str(out), weights=weights, workers=0, **more)
    return {row.key: row for row in read_proposals(str(out))}


def test_pictures_that_have_changed_are_looked_at_again_and_others_are_not(scans, weights, tmp_path, capsys):
    out, torn, clean = tmp_path / "p", scans / "box/torn.png", scans / "clean.png"
    before = detected(scans, out, weights)
    was_torn, was_clean = torn.read_bytes(), clean.read_bytes()
    os.utime(scans / "broken.png", (1, 1))  # another stamp, the same bytes
    torn.write_bytes(was_clean)
    clean.write_bytes(was_torn)
    capsys.readouterr()
    rows = detected(scans, out, weights)
    assert "inputs since the last run: 2 changed: done again\n" in capsys.readouterr().out
    assert {key: row.status for key, row in rows.items()} == {
        "box/torn.png": "clean", "clean.png": "proposed", "notes.txt": "skipped", "broken.png": "failed"
    }  # fmt: skip
    assert [str(path.relative_to(out / "masks")) for path in (out / "masks").rglob("*.png")] == ["clean.png.png"]
    page = (out / "review.html").read_text()
    assert "clean.png" in page
    assert "box/torn.png" not in page
    assert rows["notes.txt"] == before["notes.txt"]
    stamped = replace(before["broken.png"], input_stamp=rows["broken.png"].input_stamp)
    assert rows["broken.png"] == stamped != before["broken.png"]
    assert detected(scans, out, weights) == rows
    assert "since the last run" not in capsys.readouterr().out


def test_rows_of_an_older_version_are_compared_by_their_bytes(scans, weights, tmp_path):
    before = detected(scans, tmp_path / "p", weights)
    (part,) = (tmp_path / "p" / "proposals").glob("*.parquet")
    pq.write_table(pq.read_table(part).drop_columns(["input_stamp"]), part)
    (scans / "notes.txt").write_bytes((scans / "clean.png").read_bytes())
    rows = detected(scans, tmp_path / "p", weights)
    assert rows.pop("notes.txt").status == "clean"
    assert before.pop("notes.txt").status == "skipped"
    assert rows == before


def test_a_persons_masks_stay_when_pictures_change(scans, weights, tmp_path, capsys):
    out, brought = tmp_path / "p", encoded(np.full((60, 90), 255, np.uint8))
    (scans / "second.png").write_bytes((scans / "box/torn.png").read_bytes())
    before = detected(scans, out, weights)
    hole = np.zeros((60, 90), np.uint8)
    hole[3:9, 5:50] = 1
    Decisions(str(out)).record("box/torn.png", "edited", hole, "somebody", None)
    (out / "masks/clean.png.png").write_bytes(brought)
    mask = (out / "masks/box/torn.png.png").read_bytes()
    for name in ("box/torn.png", "clean.png", "second.png"):
        (scans / name).write_bytes(encoded(np.full((60, 90, 3), (90, 120, 70), np.uint8)))
    capsys.readouterr()
    rows = detected(scans, out, weights)
    told = capsys.readouterr().out
    assert "inputs since the last run: 1 changed: done again\n" in told
    assert "2 changed, but their masks are a person's and stay: box/torn.png, clean.png; look at them again" in told
    assert rows["second.png"].status == "clean"
    assert not (out / "masks/second.png.png").exists()
    assert (rows["box/torn.png"], rows["clean.png"]) == (before["box/torn.png"], before["clean.png"])
    assert (out / "masks/box/torn.png.png").read_bytes() == mask
    assert (out / "masks/clean.png.png").read_bytes() == brought


def test_pictures_of_parquet_are_compared_by_their_bytes(scans, weights, tmp_path):
    torn, clean = (scans / "box/torn.png").read_bytes(), (scans / "clean.png").read_bytes()
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"key": ["a", "b"], "image": [clean, clean]}), source)
    assert {row.status for row in detected(source, tmp_path / "p", weights).values()} == {"clean"}
    pq.write_table(pa.table({"key": ["a", "b"], "image": [clean, torn]}), source)
    rows = detected(source, tmp_path / "p", weights)
    assert (rows["a"].status, rows["b"].status) == ("clean", "proposed")


def test_this_process_and_ray_find_the_same(ray_local, scans, weights, tmp_path):
    here = detected(scans, tmp_path / "here", weights)
    detect(input=str(scans), output=str(tmp_path / "ray"), weights=weights, workers=1)
    there = {row.key: row for row in read_proposals(str(tmp_path / "ray"))}
    assert {key: replace(row, seconds=0) for key, row in here.items()} == {
        key: replace(row, seconds=0) for key, row in there.items()
    }
    assert (tmp_path / "here/masks/box/torn.png.png").read_bytes() == (
        tmp_path / "ray/masks/box/torn.png.png"
    ).read_bytes()


def without_ray(scans, weights, out, **environment):
    """The command where ``import ray`` fails, in a process of its own."""
    code = """
import sys
sys.modules["ray"] = None
from faceinpaint.commands.detect import main
sys.exit(main(sys.argv[1:]))
"""
    words = ["--input", str(scans), "--output", str(out), "--weights", weights]
    given = {**os.environ, "RAY_ADDRESS": "", **environment}
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=given)


@pytest.mark.slow
def test_few_pictures_are_looked_at_without_ray(scans, weights, tmp_path):
    done = without_ray(scans, weights, tmp_path / "p")
    assert done.returncode == 0, done.stderr
    assert "4 inputs: 1 clean, 1 failed, 1 proposed, 1 skipped" in done.stdout


@pytest.mark.slow
def test_a_picture_that_kills_the_process_costs_its_row_in_the_next_run(scans, weights, tmp_path):
    (scans / "deadly.png").write_bytes((scans / "clean.png").read_bytes() + b"deadly")
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(CRASHING_DECODER)
    paths = os.pathsep.join([str(tmp_path / "python"), os.environ.get("PYTHONPATH", "")])
    assert without_ray(scans, weights, tmp_path / "p", PYTHONPATH=paths).returncode < 0
    done = without_ray(scans, weights, tmp_path / "p", PYTHONPATH=paths)
    assert done.returncode == 0, done.stderr
    rows = {row.key: row for row in read_proposals(str(tmp_path / "p"))}
    assert rows["deadly.png"].status == "failed"
    assert "quarantined" in rows["deadly.png"].reason
    assert rows["box/torn.png"].status == "proposed"


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
