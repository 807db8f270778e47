"""What ``make bench`` makes of its measurements."""

import json
import sys

import pytest
import torch

from bench import archive, costs, evaluation, pages, restoration, run, scale
from bench.aims import AIMS, aims
from bench.report import report
from bench.timing import done, precisions
from faceinpaint.data import places
from faceinpaint.data.mask_spec import parse_masks
from faceinpaint.inference.travel import Settings, pack, unpack
from faceinpaint.inference.work import examine, finish

MACHINE = {"date": "2026-01-02", "commit": "abc", "cpu": "a CPU", "cores": 2, "torch": "2", "ray": "3"}


def row(preset, method, precision, batch, seconds):
    return {
        "preset": preset,
        "method": method,
        "precision": precision,
        "batch": batch,
        "seconds_a_picture": seconds,
        "gflop_a_picture": 10.0,
        "share_of_matmul_peak": 0.2 / seconds,
        "peak_mb": None,
    }


PHOTO = {"megabytes": 2.0, "examine": 0.2, "finish": 0.1, "plain_decode": 0.06, "plain_encode": 0.04, "ratio": 3.0}
MEASURED = {
    "machine": MACHINE,
    "networks_256": [
        row("celebahq256-native", "rfr", "fp32", 1, 1.6),
        row("celebahq256-native", "rfr", "bf16", 1, 0.1),
        row("celebahq256-native", "two-stage", "fp32", 1, 0.8),
        row("celebahq256-native", "two-stage", "bf16", 1, 0.4),
        row("celebahq256-native", "two-stage", "fp32", 8, 1.0),
        row("celebahq256-native", "two-stage", "bf16", 8, 0.5),
        row("faces256", "two-stage", "fp32", 1, 0.2),
        row("faces256", "two-stage", "fp32", 8, 0.01),
    ],
    "pipeline": {
        "fp32": {"pipeline": 9.0, "bare_model": 10.0, "ratio": 0.9},
        "bf16": {"pipeline": 19.0, "bare_model": 20.0, "ratio": 0.95},
    },
    "photographs_12mp": {"JPEG": PHOTO, "PNG": PHOTO | {"ratio": 0.5}},
    "archive_12mp": {"pictures_s": 4.0, "allowed_pictures_s": 5.0, "ratio": 0.8},
    "onnx": [{"batch": 1, "onnx_over_torch": 0.7}, {"batch": 8, "onnx_over_torch": 1.1}],
    "ray_train": {
        "ray_train": 33.0,
        "bare_ddp": 30.0,
        "ratio": 1.1,
        "ray_share": 0.05,
        "in_process_over_ray_train": 1.02,
    },
    "start_up_seconds": {
        "batch_inpaint": 3.5,
        "batch_inpaint, faces256": 4.5,
        "batch_inpaint on Ray": 12.0,
        "train in process": 8.0,
    },
    "training_steps": [{"stage": "pconv", "batch": 24, "ours": 2.0, "bare": 1.0, "ours_over_bare": 2.0}],
}
WANTED = {
    "rfr_time_over_ours_256": 4.0,
    "rfr_time_over_faces256": 8.0,
    "forward_share_of_peak": 0.4,
    "pipeline_over_bare_model": 0.9,
    "pipeline_over_bare_model_bf16": 0.95,
    "photos_over_steps": 0.8,
    "photo_12mp_jpeg_over_codec": 3.0,
    "photo_12mp_png_over_codec": 0.5,
    "one_photo_seconds": 3.5,
    "one_photo_seconds_256": 4.5,
    "onnx_over_torch": 0.7,
    "ray_train_over_bare_ddp": 1.1,
    "in_process_over_ray_train": 1.02,
    "restoration_start_up_seconds": 12.0,
    "in_process_training_seconds": 8.0,
}


def test_every_aim_is_reckoned_from_what_was_measured():
    assert aims(MEASURED) == pytest.approx(WANTED)
    assert list(aims(MEASURED)) == list(AIMS)


@pytest.mark.parametrize("part", [name for name in MEASURED if name != "machine"])
def test_a_part_that_is_missing_costs_its_own_aims_alone(part):
    fewer = {name: value for name, value in MEASURED.items() if name != part}
    found = aims(fewer)
    assert found == pytest.approx({name: value for name, value in WANTED.items() if name in found})
    assert "not measured" in report(fewer | {"aims": found}) or part == "training_steps"


def test_the_report_shows_what_was_measured():
    text = report(MEASURED | {"aims": WANTED, "seconds_of_parts": {"onnx": 540, "pipeline": 60}})
    assert "not measured" not in text
    for cell in ("| 8.00 ", "| 12.0 ", "| 24 ", "| 12.0 ", "2026-01-02, commit abc", "took 10 minutes"):
        assert cell in text


def test_parts_are_measured_by_name_and_written_one_by_one(tmp_path):
    path = tmp_path / "results.json"
    known = {"machine": MACHINE, "onnx": [{"onnx_over_torch": 9.0}]}

    def fails():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run.measure({"onnx": lambda: MEASURED["onnx"], "pipeline": fails}, ["onnx", "pipeline"], path, known)
    written = json.loads(path.read_text())
    assert written["aims"] == {"onnx_over_torch": 0.7}
    assert written["seconds_of_parts"] == {"onnx": 0}


def test_every_part_of_the_aims_is_run():
    parts = run.on_cpus("weights", 1, "cpu")
    assert set(MEASURED) - {"machine"} <= set(parts)
    assert set(run.on_a_device("weights", 1, "cuda")) < set(parts)


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["bench.run", "--device", "cuda"])
    with pytest.raises(SystemExit, match="no device 'cuda' here"):
        run.main()
    monkeypatch.setattr(sys, "argv", ["bench.run", "--only", "everything"])
    with pytest.raises(SystemExit, match="no part everything"):
        run.main()


def test_both_jobs_of_a_difference_go_by_ray():
    """Fewer pictures would start no Ray, and the difference would hold its start-up."""
    for module in (archive, costs, evaluation, restoration):
        assert places.FEW < module.FEW < module.MANY, module.__name__


def test_the_model_that_paints_nothing_fits_the_pipeline(tmp_path):
    """bench.scale would measure nothing if it did not."""
    settings = Settings(output=str(tmp_path), masks=parse_masks("squares"), image_size=64, alignment="celeba")
    picture = restoration.faces(64, 1)[0]
    painted = scale.IdentityPainter()({"work": pack([examine("a.png", picture, None, settings)])})
    row = finish(unpack(painted["work"])[0], settings).row
    assert (row.status, row.fidelity) == ("restored", "exact"), row


def test_a_gpu_is_waited_for(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "synchronize", calls.append)
    done(lambda: calls.append("work"), "cuda:1")()
    assert calls == ["work", "cuda:1"]
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert list(precisions("cuda")) == ["fp32", "bf16"]


def test_pages_take_the_tables_between_their_marks():
    marked = pages.BEGIN.format("aims") + "old\n" + pages.END
    page = f"before\n{marked}between\n{pages.BEGIN.format('training')}{pages.END}after\n"
    parts = {name: text for name, text in pages.sections(MEASURED | {"aims": WANTED}).items() if name != "photographs"}
    text = pages.filled(page, parts)
    assert "old" not in text
    assert text.index("before") < text.index("`one_photo_seconds`") < text.index("between")
    assert text.index("between") < text.index("stage of `celeba64`") < text.index("after")
    assert pages.filled(text, parts) == text
    for name in pages.sections(MEASURED):
        assert pages.BEGIN.format(name) in pages.SPEED.read_text()
