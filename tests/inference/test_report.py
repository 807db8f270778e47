"""The report shows the most doubtful results first, whole, in a real browser."""

import re

import numpy as np
import pytest

from faceinpaint.inference import resemblance
from faceinpaint.inference.gallery import SHOWN, Gallery
from faceinpaint.inference.ledger import Ledger
from faceinpaint.inference.report import write_report
from faceinpaint.inference.row import LedgerRow
from faceinpaint.inference.work import Finished, doubt
from tests.browser import opened

RNG = np.random.default_rng(2)


def work(key, ratio, seam=1.0, faces=0, reason=None):
    row = LedgerRow(key=key, status="restored", reason=reason, hole_ratio=ratio, seam_error=seam, faces=faces)
    picture = RNG.integers(0, 256, (64, 64, 3), np.uint8)
    hole = np.zeros((64, 64), np.uint8)
    hole[20:40, 20:40] = 1
    sheet = {"before": picture, "hole": hole * 255, "after": picture[::-1].copy()}
    if faces:
        sheet |= {"face": picture, "face_hole": hole, "face_after": sheet["after"]}
    return Finished(row=row, sheet=sheet)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    output = tmp_path_factory.mktemp("report")
    ledger, gallery = Ledger(str(output)), Gallery(str(output))
    ledger.open()
    works = [work(f"dir/{i:02d}.png", i / 100) for i in range(1, 60)]
    works += [work("face.png", 0.01, faces=1), work("<b>&'\".png", 0.9, 30.0, reason="no <i>face</i> " + "long" * 99)]
    ledger.add([w.row for w in works])
    ledger.flush()
    gallery.add(works[:30])
    gallery.save()
    resumed = Gallery(str(output))
    resumed.add(works[20:])
    write_report(str(output), ledger, resumed, 12.5, "celeba")
    return output / "report.html"


def test_the_most_doubtful_come_first_and_each_once(page):
    html = page.read_text()
    keys = re.findall(r"<figcaption><b>(.+?)</b>", html)
    assert len(keys) == len(set(keys)) == SHOWN
    assert keys[0] == "&lt;b&gt;&amp;&#39;&#34;.png"
    assert keys[1:] == [f"dir/{i:02d}.png" for i in range(59, 59 - SHOWN + 1, -1)]
    assert "61 inputs, 12.5 pictures/s" in html


def test_low_confidence_comes_before_a_large_hole():
    sure, unsure = work("sure.png", 0.6, seam=9).row, work("unsure.png", 0.02).row
    sure.confidence, unsure.confidence = 0.9, 0.3
    assert doubt(unsure) > doubt(sure)


def test_a_lost_identity_outweighs_a_larger_hole(tmp_path, monkeypatch):
    gallery = Gallery(str(tmp_path))
    gallery.add([work("kept.png", 0.5, faces=1), work("lost.png", 0.2, faces=1), work("nobody.png", 0.4)])

    def measured(entries, alignment):
        for entry in entries:
            entry.similarity = {"kept.png": 0.95, "lost.png": 0.1}.get(entry.row.key)

    monkeypatch.setattr(resemblance, "measure_identity", measured)
    write_report(str(tmp_path), Ledger(str(tmp_path)), gallery, 1.0, "celeba")
    html = (tmp_path / "report.html").read_text()
    assert re.findall(r"<figcaption><b>(.+?)</b>", html) == ["lost.png", "nobody.png", "kept.png"]


def test_the_report_needs_nothing_from_elsewhere(page):
    links = re.findall(r'(?:src|href)="([^"]{1,40})', page.read_text())
    assert links
    assert all(link.startswith("data:") for link in links)


@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_shows_every_picture_and_complains_of_nothing(page, width):
    seen = opened(page, width)
    assert len(seen["sizes"]) == 3 * SHOWN
    assert all(wide > 0 and high > 0 for _, wide, high in seen["sizes"])
    assert seen["console"] == []
    assert seen["wide"] == 0
