"""From measured costs to clusters: the tables of docs/scaling.md, computed from bench/costs.json and bench/scale.json.

python -m bench.sizing [--write]

--write puts them into the page; without it they are printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench import costs, scale
from bench.markdown import table
from faceinpaint.inference.table import DIGEST_BYTES, ROWS_A_FILE

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
BEGIN, END = "<!-- by python -m bench.sizing --write -->\n", "<!-- end -->\n"
WORKERS = (8, 64, 512)
GPU_RATE = 50.0  # faces/s of a GPU worker: an assumption, none was measured
THREADS = 2  # of a CPU worker
SIDE = 1024  # of the photographs in an archive
FACE_MODEL = "celebahq256-native"


def driver_ms(rows: list[dict[str, Any]]) -> float:
    """CPU milliseconds of the driver a picture: between the two largest archives, so that start-up is left out."""
    small, large = rows[-2:]
    spent = large["whole"]["driver_cpu_seconds"] - small["whole"]["driver_cpu_seconds"]
    return 1000 * spent / (large["keys"] - small["keys"])


def steps(measured: dict[str, Any], grown: dict[str, Any]) -> str:
    """What each step costs a picture."""
    rows = [
        [
            f"{p['format']} {p['side']} px, {p['megabytes']:.2f} MB",
            f"{p['examine_ms']:.0f}",
            "",
            f"{p['finish_ms']:.0f}",
        ]
        for p in measured["photographs"]
    ]
    rows += [[f"a face, {m['preset']} fp32", "", f"{m['paint_ms']:.0f}", ""] for m in measured["models"]]
    rows.append([f"the driver: {driver_ms(grown['rows']):.2f}", "", "", ""])
    return table(["CPU ms per picture", "examine", "paint", "finish"], rows)


def growth(grown: dict[str, Any]) -> str:
    """What an archive's size costs the driver and the ledger."""
    rows = [
        [
            f"{r['keys']:,}",
            *(f"{r[run]['driver_peak_mb']:.0f} MB" for run in ("whole", "nothing_to_do", "resumed")),
            str(r["ledger_files"]),
            f"{r['ledger_mb']:.1f} MB",
            f"{r['whole']['seconds']:.0f} s, {r['nothing_to_do']['seconds']:.0f} s",
        ]
        for r in grown["rows"]
    ]
    head = [
        "keys",
        "driver, whole run",
        "nothing to do",
        "resumed",
        "ledger files",
        "ledger",
        "whole run, nothing to do",
    ]
    return table(head, rows)


def clusters(measured: dict[str, Any], grown: dict[str, Any]) -> str:
    """What workers of a measured or assumed rate need around them."""
    photo = next(p for p in measured["photographs"] if (p["side"], p["format"]) == (SIDE, "JPEG"))
    paint = next(m["paint_ms"] for m in measured["models"] if m["preset"] == FACE_MODEL)
    requests = measured["s3_requests"]
    around = (photo["examine_ms"] + photo["finish_ms"]) / 1000
    rows = []
    for kind, each in (("CPU", 1000 * THREADS / paint), ("GPU", GPU_RATE)):
        for workers in WORKERS:
            rate = workers * each
            rows.append(
                [
                    f"{workers} {kind}",
                    f"{rate:,.0f}",
                    f"{rate * around:,.0f}",
                    f"{2 * rate * photo['megabytes']:,.0f}",
                    f"{rate * (requests.get('GET', 0) + requests.get('HEAD', 0)):,.0f}",
                    f"{rate * (requests.get('PUT', 0) + requests.get('POST', 0)):,.0f}",
                    f"{rate * driver_ms(grown['rows']) / 10:,.0f} %",
                    f"{1e6 / rate / 3600:,.1f}",
                ]
            )
    head = ["model workers", "pictures/s", "CPUs around them", "MB/s in and out", "S3 reads/s", "S3 writes/s"]
    return table([*head, "driver busy", "hours per million"], rows)


def archives(grown: dict[str, Any]) -> str:
    """What an archive's size needs, by extrapolation from the largest one measured."""
    last = grown["rows"][-1]
    rows = [
        [
            f"{keys:,}",
            f"{max(1, keys // ROWS_A_FILE):,}",
            f"{last['ledger_mb'] * keys / last['keys']:,.0f} MB",
            f"{keys * DIGEST_BYTES / 1e6:,.0f} MB",
        ]
        for keys in (10**5, 10**6, 10**7, 10**8)
    ]
    return table(["keys", "ledger files", "ledger", "digests of done keys, on resume"], rows)


def checkpoints(measured: dict[str, Any]) -> str:
    """What training's workers read together when they start."""
    rows = [
        [f"{m['preset']} {stage}", f"{size:,.0f} MB", *(f"{workers * size / 1000:,.1f} GB" for workers in WORKERS)]
        for m in measured["models"]
        for stage, size in m["checkpoint_mb"].items()
    ]
    return table(["checkpoint", "rank 0 writes", *(f"{workers} workers read" for workers in WORKERS)], rows)


def million(measured: dict[str, Any]) -> str:
    """CPU hours of a million photographs with one face each."""
    rows = []
    for photo in measured["photographs"]:
        for face in measured["models"]:
            spent = photo["examine_ms"] + photo["finish_ms"] + face["paint_ms"]
            rows.append([f"{photo['format']} {photo['side']} px", face["preset"], f"{spent / 3.6:,.0f}"])
    return table(["a million of", "model, on CPUs, fp32", "CPU hours"], rows)


def page_part() -> str:
    measured, grown = json.loads(costs.RESULTS.read_text()), json.loads(scale.RESULTS.read_text())
    parts = [
        ("What each step costs", steps(measured, grown)),
        ("What grows with the archive", growth(grown)),
        ("Clusters", clusters(measured, grown)),
        ("Archives", archives(grown)),
        ("Checkpoints", checkpoints(measured)),
        ("A million pictures", million(measured)),
    ]
    stamps = [
        f"{r['machine']['cpu']}, {r['machine']['cores']} cores, commit {r['machine']['commit']}"
        for r in (measured, grown)
    ]
    text = "\n".join(f"### {title}\n\n{body}\n" for title, body in parts)
    return f"{BEGIN}\nCosts: {stamps[0]}. Growth: {stamps[1]}.\n\n{text}\n{END}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/scaling.md")
    if not parser.parse_args().write:
        print(page_part())
        return
    write()


def write() -> None:
    """Put the tables into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + page_part() + rest.partition(END)[2])


if __name__ == "__main__":
    main()
