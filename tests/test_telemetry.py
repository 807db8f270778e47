"""What a restoration and a training run did can be read from the Prometheus endpoint of a real Ray."""

import re
import time
import urllib.request
from collections import Counter

import numpy as np
import pytest
import ray
from PIL import Image

from faceinpaint import Options, restore
from faceinpaint.training.monitor import Monitor

pytestmark = pytest.mark.slow

PICTURES, OTHERS = 5, 1
REPORTS = 11  # seconds; Ray's processes report every ten


def scrape():
    """Every sample of ours: (name without prefixes, value of its label) -> value."""
    node = ray.nodes()[0]
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    text = urllib.request.urlopen(url, timeout=10).read().decode()
    found = Counter()
    for name, labels, value in re.findall(r"^ray_faceinpaint_(\w+){(.*)} (\S+)$", text, re.MULTILINE):
        pairs = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        found[name, next(pairs[key] for key in ("status", "step", "stage", "job") if key in pairs)] += float(value)
    return found


def eventually(holds, seconds=45):
    deadline = time.monotonic() + seconds
    while not holds(found := scrape()):
        assert time.monotonic() < deadline, found
        time.sleep(1)
    return found


@pytest.fixture(scope="module")
def before(ray_local):
    """The counters, once all that earlier tests did has been reported."""
    found: Counter[tuple[str, str]] = Counter()
    while (now := scrape()) != found:
        found = now
        time.sleep(REPORTS)
    return found


def test_a_restoration_counts_its_rows_and_the_work_of_each_step(before, tiny_weights, tmp_path):
    source, output = tmp_path / "in", str(tmp_path / "out")
    source.mkdir()
    for i in range(PICTURES):
        pixels = np.random.default_rng(i).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(source / f"{i}.png")
    (source / "note.txt").write_text("no picture")
    restore(Options(input=str(source), masks="squares", output=output, weights=tiny_weights, cpus_per_worker=1))
    wanted = {
        ("inputs_total", "restored"): PICTURES,
        ("inputs_total", "skipped"): OTHERS,
        ("step_pictures_total", "examine"): PICTURES + OTHERS,
        ("step_pictures_total", "paint"): PICTURES,
        ("step_pictures_total", "finish"): PICTURES + OTHERS,
    }
    found = eventually(lambda now: all(now[name] - before[name] == value for name, value in wanted.items()))
    assert found["step_seconds_total", "examine"] > before["step_seconds_total", "examine"]
    assert found["inputs_left", "batch_inpaint"] == 0


def test_training_shows_its_step_and_counts_its_pictures(before, tmp_path):
    monitor = Monitor(str(tmp_path), "texture", batch=4, first_step=0, steps=100)
    for step in (1, 2, 3):
        monitor.step(step, {"loss": 1.0})
    eventually(
        lambda now: (
            now["train_pictures_total", "texture"] - before["train_pictures_total", "texture"] == 12
            and now["train_step", "texture"] == 3
        )
    )
    monitor.close()
