"""What a camera's picture of 12 megapixels costs around the model, beside plainly decoding and encoding it.

OMP_NUM_THREADS=1 python -m bench.photographs [--rounds N] [--only CODING ...] [--json]

CPU seconds of one process, so that they hold on a machine that does other work meanwhile: examine (hash, decode, mask,
faces, crops) and finish (paste, encode, prove, write), over Pillow's decode and encode of the same file. One thread, as
Ray gives its tasks: a second one of the linear algebra waits busily, which counts as work.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
from PIL import Image

from bench.markdown import table
from faceinpaint.data.mask_spec import parse_masks
from faceinpaint.inference.travel import Examined, Painted, Settings
from faceinpaint.inference.work import examine, finish
from faceinpaint.memory import keep_freed

SIZE = (4032, 3024)
HOLE = (1670, 690, 300, 200)  # x, y, width, height: nose and mouth of the portrait
SPECK = (1800, 3010, 5, 5)  # in the last rows, below it
GRAIN = 2.5  # levels of noise, as cameras have it
CODINGS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 92},
    "JPEG, a speck at its lower end too": {"quality": 92},
    "JPEG, progressive": {"quality": 92, "progressive": True},
    "PNG": {},
    "TIFF, LZW": {"compression": "tiff_lzw"},
}
AIMS = {"photo_12mp_jpeg_over_codec": "JPEG", "photo_12mp_png_over_codec": "PNG"}
ROUNDS = 3
HEAD = ("12 megapixels", "MB", "examine, CPU s", "finish, CPU s", "plain decode + encode, CPU s", "ratio")


def over_codec(rounds: int = ROUNDS, names: Iterable[str] = CODINGS) -> dict[str, dict[str, float]]:
    """CPU seconds of each coding's examine, finish, and Pillow's decode and encode; ``ratio``: the first two over the
    others. The least of some rounds, in turns."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    keep_freed()
    found = {name: _row(name, rounds) for name in names}
    cv2.setNumThreads(threads)
    return found


def in_a_process() -> dict[str, dict[str, float]]:
    """:func:`over_codec` in a process that has one thread, whatever this one has."""
    command = [sys.executable, "-m", "bench.photographs", "--json"]
    return json.loads(subprocess.check_output(command, env={**os.environ, "OMP_NUM_THREADS": "1"}))  # type: ignore[no-any-return]


def coded(name: str) -> bytes:
    """The picture in one of :data:`CODINGS`."""
    return _encoded(photograph(), name.partition(",")[0], CODINGS[name])


@functools.cache
def photograph() -> Image.Image:
    """scikit-image's astronaut, enlarged to 12 megapixels, with grain."""
    large = Image.fromarray(skimage.data.astronaut()).resize(SIZE, Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).normal(0, GRAIN, (SIZE[1], SIZE[0], 3)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(large) + grain, 0, 255).astype(np.uint8))


def _row(name: str, rounds: int) -> dict[str, float]:
    kind, options, data = name.partition(",")[0], CODINGS[name], coded(name)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "masks").mkdir()
        mask(HOLE, *([SPECK] if "speck" in name else [])).save(f"{folder}/masks/a.png")
        settings = Settings(output=folder, masks=parse_masks(f"{folder}/masks"), image_size=64, alignment="celeba")
        examined = examine("a", data, None, settings)
        assert examined.row.faces == 1, examined.row
        decoded = Image.open(io.BytesIO(data))
        decoded.load()
        steps: dict[str, Callable[[], Any]] = {
            "examine": lambda: examine("a", data, None, settings),
            "finish": lambda: _finished(examined, settings),
            "plain_decode": lambda: Image.open(io.BytesIO(data)).load(),
            "plain_encode": lambda: _encoded(decoded, kind, options),
        }
        spent: dict[str, list[float]] = {step: [] for step in steps}
        for _ in range(rounds):
            for step, work in steps.items():
                began = time.process_time()
                work()
                spent[step].append(time.process_time() - began)
    row = {step: min(seconds) for step, seconds in spent.items()} | {"megabytes": len(data) / 1e6}
    row["ratio"] = (row["examine"] + row["finish"]) / (row["plain_decode"] + row["plain_encode"])
    return row


def _finished(examined: Examined, settings: Settings) -> None:
    row = replace(examined.row)
    finish(Painted(examined=replace(examined, row=row), patches=examined.plan.crops), settings)
    assert row.status in ("restored", "restored-fallback"), row


def mask(*boxes: tuple[int, int, int, int]) -> Image.Image:
    """White where holes are, of single bits, as people draw them."""
    levels = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    for x, y, width, height in boxes:
        levels[y : y + height, x : x + width] = 255
    return Image.fromarray(levels).convert("1")


def _encoded(picture: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def aims(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """The ratios that the project is held to."""
    return {aim: rows[name]["ratio"] for aim, name in AIMS.items() if name in rows}


def cells(rows: dict[str, dict[str, float]]) -> list[tuple[str, ...]]:
    """The rows as text, below :data:`HEAD`."""
    numbers = [
        (row["megabytes"], row["examine"], row["finish"], row["plain_decode"] + row["plain_encode"], row["ratio"])
        for row in rows.values()
    ]
    return [(name, *(f"{number:.2f}" for number in row)) for name, row in zip(rows, numbers, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="+", choices=CODINGS, default=list(CODINGS))
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    args = parser.parse_args()
    rows = over_codec(args.rounds, args.only)
    print(json.dumps(rows) if args.json else table(HEAD, cells(rows)))


if __name__ == "__main__":
    main()
