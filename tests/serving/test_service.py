"""The service and its page, as people use them: over HTTP, and in a real browser."""

import concurrent.futures
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from faceinpaint.inference.finder import Finder
from faceinpaint.inference.proposals import ProposalTable
from faceinpaint.storage import write_bytes
from tests.browser import chromium
from tests.conftest import free_port
from tests.encoded import encoded
from tests.green import GREEN, with_green_detector

BASE = (120, 90, 70)
START = 240  # seconds


def torn(offset=0):
    picture = np.full((120, 160, 3), BASE, np.uint8)
    picture[40:52, 50 + offset : 90 + offset] = GREEN
    return picture


@contextlib.contextmanager
def running(command, ready, folder):
    """A command of ours until the block ends; waits for a line that contains ``ready``."""
    log = folder / "log.txt"
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    environment.setdefault("RAY_raylet_start_wait_time_s", "120")  # beside busy neighbours
    environment.pop("RAY_ADDRESS", None)
    with log.open("w") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, env=environment)
    try:
        deadline = time.monotonic() + START
        while ready not in log.read_text():
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.5)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_weights):
    """Weights, three damaged scans and a clean one, and what faceinpaint detect makes of them."""
    folder = tmp_path_factory.mktemp("service")
    weights = with_green_detector(tiny_weights, folder / "weights")
    (folder / "scans").mkdir()
    for i in range(3):
        (folder / f"scans/{i}.png").write_bytes(encoded(torn(10 * i)))
    (folder / "scans/clean.png").write_bytes(encoded(np.full((60, 60, 3), BASE, np.uint8)))
    finder = Finder(weights, 0.5, threads=1)
    table = ProposalTable(str(folder / "proposals"))
    for path in sorted((folder / "scans").iterdir()):
        found = finder.find(path.name, path.read_bytes(), None)
        table.add([found.row])
        if found.png:
            write_bytes(f"{folder}/proposals/masks/{path.name}.png", found.png)
    table.flush()
    return folder


@pytest.fixture(scope="module")
def service(place):
    """The address of a running service with its page."""
    port = free_port()
    command = [sys.executable, "-m", "faceinpaint", "serve", "--weights", f"{place}/weights", "--port", str(port)]
    command += ["--input", f"{place}/scans", "--masks", f"{place}/proposals/masks", "--in-flight", "4"]
    command += ["--largest-picture", "1", "--largest-upload", "2", "--replicas", "2"]
    with running(command, "review:  ", place):
        yield f"http://127.0.0.1:{port}"


def post(service, path, picture, mask=None, **form):
    files = {"picture": ("p.png", picture)} | ({"mask": ("m.png", mask)} if mask else {})
    return httpx.post(f"{service}{path}", files=files, data=form, timeout=120)


def test_restoring_with_a_mask_or_with_the_detectors(service):
    picture = torn()
    mask = np.zeros((120, 160), np.uint8)
    mask[40:52, 50:90] = 255
    for given in (encoded(mask), None):
        answer = post(service, "/v1/restore", encoded(picture), given, no_face="crop")
        assert answer.status_code == 200, answer.text
        row = json.loads(answer.headers["x-faceinpaint-row"])
        assert row["status"] == "restored-fallback"
        after = np.asarray(Image.open(io.BytesIO(answer.content)))
        assert not (after == GREEN).all(-1).any()
        assert (after[:30] == BASE).all()
    clean = encoded(np.full((60, 60, 3), BASE, np.uint8))
    answer = post(service, "/v1/restore", clean)
    assert answer.content == clean
    assert json.loads(answer.headers["x-faceinpaint-row"])["reason"] == "no damage found"


def test_detecting(service):
    answer = post(service, "/v1/detect", encoded(torn()))
    assert answer.headers["content-type"] == "image/png"
    mask = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert mask.shape == (120, 160)
    assert (mask[40:52, 50:90] == 255).all()
    assert json.loads(answer.headers["x-faceinpaint-row"])["status"] == "proposed"
    assert post(service, "/v1/detect", encoded(np.full((60, 60, 3), BASE, np.uint8))).status_code == 204


@pytest.mark.parametrize(
    ("picture", "mask", "form", "code", "said"),
    [
        (b"no picture", b"", {}, 422, "Not a picture of a known format"),
        (encoded(torn())[:300], b"", {}, 422, "readable"),
        (encoded(torn()), b"no mask", {}, 422, "mask"),
        (encoded(torn()), encoded(np.zeros((50, 50), np.uint8)), {}, 422, "mask"),
        (encoded(torn()), b"", {"sensitivity": "7"}, 422, "sensitivity"),
        (encoded(torn()), b"", {"no_face": "perhaps"}, 422, "no_face"),
        (encoded(np.zeros((1100, 1000, 3), np.uint8)), b"", {}, 413, "1000x1100"),
        (b"x" * 2_100_000, b"", {}, 413, "larger than 2 MB"),
    ],
)
def test_what_is_refused_is_refused_in_one_sentence(service, picture, mask, form, code, said):
    answer = post(service, "/v1/restore", picture, mask or None, **form)
    assert answer.status_code == code
    assert set(answer.json()) == {"error"}
    assert said in answer.json()["error"]
    assert answer.json()["error"].endswith(".")
    assert "\n" not in answer.json()["error"]


def test_many_at_once_are_served_or_told_to_wait(service):
    data = encoded(torn())
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: post(service, "/v1/restore", data, no_face="crop"), range(24)))
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 429, 503}, [answer.text for answer in answers if answer.status_code == 422]
    assert 200 in codes
    assert 429 in codes
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "2"
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1  # whoever came along


def test_health_metrics_and_description(service):
    assert httpx.get(f"{service}/healthz").json() == {"status": "ok"}
    assert set(httpx.get(f"{service}/openapi.json").json()["paths"]) == {
        "/v1/restore", "/v1/detect", "/healthz", "/metrics"
    }  # fmt: skip
    post(service, "/v1/detect", encoded(torn()))
    deadline = time.monotonic() + 60
    while "ray_faceinpaint_requests_total{" not in (text := httpx.get(f"{service}/metrics", timeout=30).text):
        assert time.monotonic() < deadline, text[:2000]
        time.sleep(2)
    assert "ray_serve_" in text


def test_a_killed_replica_loses_no_accepted_request(service):
    import psutil

    own = [p for p in psutil.process_iter(["name", "cmdline"]) if "engine" in " ".join(p.info["cmdline"] or [])]
    engines = [p for p in own if "ServeReplica:faceinpaint:engine" in " ".join(p.info["cmdline"])]
    assert len(engines) == 2
    data = encoded(torn())
    killer = threading.Timer(0.3, engines[0].kill)
    killer.start()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: post(service, "/v1/restore", data, no_face="crop"), range(18)))
    killer.join()
    assert [answer.status_code for answer in answers] == [200] * 18


@pytest.mark.timeout(900)
def test_a_person_reviews_in_a_browser(service, place):
    """Open, paint, restore on the spot, accept by key, reload, go on, reject, undo."""
    path = chromium()
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        page.set_default_timeout(180_000)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        shown = open_page(page, service)
        canvas = page.locator("#editor canvas").last.bounding_box()
        x, y = canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2
        page.mouse.move(x, y + 10)
        page.mouse.down()
        page.mouse.move(x + 40, y + 25, steps=6)
        page.mouse.up()
        page.wait_for_timeout(3000)
        page.locator("#status").click()
        page.keyboard.press("p")
        page.wait_for_selector("#result img")
        page.keyboard.press("a")
        second = next_picture(page, shown)
        mask = np.asarray(Image.open(place / f"proposals/masks/{shown}.png"))
        green = (np.asarray(Image.open(place / f"scans/{shown}")) == GREEN).all(-1)
        assert mask[green].all()  # the proposal stayed
        assert 0 < np.count_nonzero(mask[~green]) < mask.size / 2  # and the stroke came on top
        assert open_page(page, service) == second  # reloaded: it goes on where it was
        page.locator("#status").click()
        page.keyboard.press("r")
        third = next_picture(page, second)
        assert not (place / f"proposals/masks/{second}.png").exists()
        page.keyboard.press("u")
        assert next_picture(page, third) == second
        assert (place / f"proposals/masks/{second}.png").exists()
        browser.close()
    table = [
        row for path in (place / "proposals/decisions").glob("*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    assert sorted(row["verdict"] for row in table) == ["edited", "rejected", "undone"]
    assert not errors


def open_page(page, service):
    page.goto(f"{service}/review/")
    page.wait_for_selector("#editor canvas")
    name = next_picture(page, "")
    page.wait_for_timeout(5000)  # until the editor has drawn the picture and its layer
    return name


def next_picture(page, before):
    """The name of the picture on the page, once it is another than ``before``."""
    page.wait_for_function(
        "before => { const title = document.querySelector('#status h3')?.innerText ?? '';"
        " return title.endsWith('.png') && title !== before }",
        arg=before,
    )
    return page.inner_text("#status h3")
