"""The report is for the person who decides: every problem has its reason, every result can be reached."""

import csv
import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from faceinpaint.inference import resemblance
from faceinpaint.inference.gallery import SHOWN, Gallery
from faceinpaint.inference.ledger import Ledger
from faceinpaint.inference.pages import kind_of
from faceinpaint.inference.report import ROWS_A_PAGE, told, write_report
from faceinpaint.inference.row import LedgerRow, doubt
from faceinpaint.inference.thumbs import THUMBS, thumb_name, write_thumb
from faceinpaint.inference.travel import Finished
from tests.browser import opened

RNG = np.random.default_rng(2)
EVIL = "<b>&'\"</script>.png"
SETTLED = 3000  # milliseconds, for a page to load its rows


def work(key, ratio, seam=1.0, faces=0, reason=None, status="restored"):
    row = LedgerRow(key=key, status=status, reason=reason, hole_ratio=ratio, seam_error=seam, faces=faces)
    picture = RNG.integers(0, 256, (64, 64, 3), np.uint8)
    hole = np.zeros((64, 64), np.uint8)
    hole[20:40, 20:40] = 1
    sheet = {"before": picture, "hole": hole * 255, "after": picture[::-1].copy()}
    if faces:
        sheet |= {"face": picture, "face_hole": hole, "face_after": sheet["after"]}
    return Finished(row=row, sheet=sheet)


def rows_of(folder, name):
    """The rows that a script hands to the page, of all its files."""
    listed = []
    for number in range(1000):
        path = folder / "_job/report" / f"{name}-{number}.js"
        if not path.exists():
            return listed
        called, rows = re.fullmatch(r'rows\("(.+?)",(.*)\)\n', path.read_text()).groups()
        assert called == f"{name}-{number}"
        listed += json.loads(rows)
    raise AssertionError


def written(output, rows, entries=(), rate=12.5):
    ledger, gallery = Ledger(str(output)), Gallery(str(output))
    ledger.open()
    ledger.clear()
    ledger.add(rows)
    ledger.flush()
    ledger.open()
    gallery.add(list(entries))
    return write_report(str(output), ledger, gallery, rate, "celeba")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A report of ten results, failures and skips of several kinds, and a row of an input that is gone."""
    output = tmp_path_factory.mktemp("few")
    works = [work(f"dir/{i:02d}.png", i / 100) for i in range(1, 9)]
    works += [work("face.png", 0.01, faces=1), work(EVIL, 0.9, 30.0, reason="no <i>face</i> at 1 hole(s)")]
    works[-1].row.status = "restored-fallback"
    for each in works:
        write_thumb(str(output), THUMBS, each.row.key, [each.sheet[name] for name in ("before", "hole", "after")])
        each.row.output = each.row.key
    problems = [
        LedgerRow(key=f"bad/{i}.jpg", status="failed", reason=f"the mask is {i}x20, the picture 30x23")
        for i in range(7)
    ]
    problems += [LedgerRow(key=f"bad/m{i}.jpg", status="failed", reason=f"no mask: neither m{i}.png") for i in range(3)]
    problems += [LedgerRow(key="note.txt", status="skipped", reason="not a picture of a known format and kind")]
    problems += [LedgerRow(key="left.png", status="restored", gone=True, reason="the input is no longer there")]
    groups = written(output, [each.row for each in works] + problems, works)
    return output, groups


def test_every_problem_is_listed_by_its_kind_of_reason(few):
    output, groups = few
    assert [(g.status, g.reason, g.rows) for g in groups] == [
        ("restored", "", 10),
        ("failed", "the mask is …, the picture …", 7),
        ("failed", "no mask", 3),
        ("skipped", "not a picture of a known format and kind", 1),
        ("restored-fallback", "no <i>face</i> at … hole(s)", 1),
        ("gone", "the input is no longer there", 1),
    ]
    listed = rows_of(output, "group-1")
    assert [row["key"] for row in listed] == [f"bad/{i}.jpg" for i in range(7)]
    assert listed[6]["reason"] == "the mask is 6x20, the picture 30x23"
    assert told(groups, dry=True)[:2] == [
        "would be failed: 7 x the mask is …, the picture … (bad/0.jpg, bad/1.jpg, bad/2.jpg, ...)",
        "would be failed: 3 x no mask (bad/m0.jpg, bad/m1.jpg, bad/m2.jpg)",
    ]


def test_results_come_most_doubtful_first_and_each_has_its_picture(few):
    output, _ = few
    rows = rows_of(output, "results")
    keys = [row["key"] for row in rows]
    assert keys[0] == EVIL
    assert sorted(keys) == sorted([EVIL, "face.png", *(f"dir/{i:02d}.png" for i in range(1, 9))])
    large_first = [key for key in keys if key.startswith("dir/")]
    assert large_first == sorted(large_first, reverse=True)
    assert all((output / THUMBS / row["thumb"]).is_file() for row in rows)


def test_the_csv_has_the_whole_ledger(few):
    output, _ = few
    with open(output / "_job/report/ledger.csv", newline="", encoding="utf-8") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    assert len(rows) == 22
    assert list(rows[EVIL]) == list(asdict(LedgerRow(key="")))
    assert rows["bad/3.jpg"]["reason"] == "the mask is 3x20, the picture 30x23"
    assert rows["left.png"]["gone"] == "true"


def test_low_confidence_comes_first_where_it_is_known(tmp_path):
    if "confidence" not in LedgerRow.__slots__:
        pytest.skip("this ledger has no confidence")
    rows = [LedgerRow(key=f"{i}", status="restored", hole_ratio=0.1, confidence=i / 10) for i in (7, 2, 9)]
    written(tmp_path, rows)
    assert [row["key"] for row in rows_of(tmp_path, "results")] == ["2", "7", "9"]


def test_low_confidence_comes_before_a_large_hole():
    sure, unsure = work("sure.png", 0.6, seam=9).row, work("unsure.png", 0.02).row
    sure.confidence, unsure.confidence = 0.9, 0.3
    assert doubt(unsure) > doubt(sure)


def test_a_lost_identity_outweighs_a_larger_hole(tmp_path, monkeypatch):
    works = [work("kept.png", 0.5, faces=1), work("lost.png", 0.2, faces=1), work("nobody.png", 0.4)]

    def measured(entries, alignment):
        for entry in entries:
            entry.similarity = {"kept.png": 0.95, "lost.png": 0.1}.get(entry.row.key)

    monkeypatch.setattr(resemblance, "measure_identity", measured)
    written(tmp_path, [each.row for each in works], works)
    assert [row["key"] for row in rows_of(tmp_path, "results")] == ["lost.png", "nobody.png", "kept.png"]


def test_a_gallery_that_goes_on_keeps_the_most_doubtful(tmp_path):
    works = [work(f"{i:02d}", i / 100) for i in range(60)]
    first = Gallery(str(tmp_path))
    first.add(works[:30])
    first.save()
    resumed = Gallery(str(tmp_path))
    resumed.add(works[20:])
    assert [entry.row.key for entry in resumed.entries] == [f"{i:02d}" for i in range(59, 59 - SHOWN, -1)]
    resumed.forget({"59"})
    assert "59" not in {entry.row.key for entry in resumed.entries}
    resumed.forget({f"{i:02d}" for i in range(60)})
    resumed.save()
    assert not Gallery(str(tmp_path)).entries


def test_an_earlier_reports_rows_go(tmp_path):
    written(tmp_path, [LedgerRow(key=str(i), status="failed", reason="no mask: x") for i in range(2500)])
    assert len(rows_of(tmp_path, "group-1")) == 2500
    written(tmp_path, [LedgerRow(key="1", status="failed", reason="no mask: x")])
    assert sorted(path.name for path in (tmp_path / "_job/report").iterdir()) == ["group-1-0.js", "ledger.csv"]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("not a readable picture: truncated at 4711", "not a readable picture"),
        ("the name 'ledger' is the job's own", "the name … is the job's own"),
        ("likely inverted mask: 94% of the picture", "likely inverted mask"),
        ("colours such as #FF0000 and #0000AB", "colours such as … and …"),
        (None, ""),
    ],
)
def test_kinds_of_reasons(reason, kind):
    assert kind_of(reason) == kind


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_shows_ten_results_and_the_problems(few, width):
    output, _ = few
    seen = opened(output / "report.html", width, wait=SETTLED)
    assert len(seen["sizes"]) == 10
    assert seen["sizes"][0] == [f"before, hole, after: {EVIL}", 3 * 64 + 2 * 4, 64]
    assert seen["console"] == []
    assert seen["wide"] == 0
    for text in (EVIL, "no <i>face</i> at 1 hole(s)", "the mask is …, the picture …", "21 inputs"):
        assert text in seen["text"]
    listed = opened(output / "report.html", width, "#group-1/1", wait=SETTLED)
    assert "bad/6.jpg" in listed["text"]
    assert "the mask is 6x20, the picture 30x23" in listed["text"]
    assert listed["console"] == []


@pytest.mark.slow
@pytest.mark.parametrize("count", [1_000, 100_000])
def test_a_browser_reaches_every_page_of_a_large_archive(tmp_path, count):
    rows = [
        LedgerRow(key=f"{i:06d}.jpg", status="restored", hole_ratio=i / count, seam_error=0.0) for i in range(count)
    ]
    rows += [LedgerRow(key=f"f{i}.jpg", status="failed", reason="no mask: none") for i in range(count // 10)]
    written(tmp_path, rows)
    last = -(-count // ROWS_A_PAGE)
    page = tmp_path / "report.html"
    assert page.stat().st_size < 100_000
    for number, least in ((1, count - ROWS_A_PAGE), (last // 2, count - ROWS_A_PAGE * (last // 2)), (last, 0)):
        seen = opened(page, fragment=f"#results/{number}", wait=SETTLED)
        shown = [alt.removeprefix("before, hole, after: ") for alt, _, _ in seen["sizes"]]
        assert shown == [f"{i:06d}.jpg" for i in range(least + ROWS_A_PAGE - 1, least - 1, -1)]
        assert f"of {last}" in seen["text"]
    failed = opened(page, fragment=f"#group-1/{count // 10 // ROWS_A_PAGE}", wait=SETTLED)
    assert f"f{count // 10 - 1}.jpg" in failed["text"]


def test_pictures_are_named_by_their_keys_alone():
    assert thumb_name("a/b.png") == thumb_name("a/b.png") != thumb_name("a/c.png")
