"""An archive of awkward real files: each ends with one row, the job with success, and no pixel outside a hole moves."""

import io
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import skimage.data
import tifffile
from PIL import Image, ImageOps, PngImagePlugin

from faceinpaint import Options, restore
from faceinpaint.photos import png
from tests.encoded import encoded

pytestmark = pytest.mark.slow

JOB = Path(__file__).parents[2] / "jobs" / "batch_inpaint.py"
RNG = np.random.default_rng(11)
SMOOTH = cv2.resize(RNG.integers(0, 256, (6, 8, 3), np.uint8), (96, 64), interpolation=cv2.INTER_CUBIC)
HOLE = (slice(20, 36), slice(30, 50))  # of the SMOOTH pictures
ALPHA = RNG.integers(1, 256, SMOOTH.shape[:2], np.uint8)


def turned(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(SMOOTH), kind, exif=exif)


def bomb():
    """A header of 100,000 x 100,000 pixels with hardly a file behind it."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return png.file_of([(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10**6))), (b"IEND", b"")])


def endless_gif():
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    return b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff\x21\xff\x0bNETSCAPE2.0\3\1\0\0\0" + frame * 200_000


def text_bomb():
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Comment", "a" * 10**8, zip=True)
    return encoded(Image.fromarray(SMOOTH), "PNG", pnginfo=chunks)


def looping_tiff():
    """Its directory names itself as the next one, and a tag points out of the file."""
    data = bytearray(encoded(Image.fromarray(SMOOTH), "TIFF", tiffinfo={270: "x" * 40}))
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    data[start + 2 + 12 * count : start + 6 + 12 * count] = struct.pack("<I", start)
    place = next(p for p in range(start + 2, start + 2 + 12 * count, 12) if data[p : p + 2] == b"\x0e\x01")
    data[place + 8 : place + 12] = b"\xff\xff\xff\x7f"
    return bytes(data)


def with_chunk(name, content):
    first, *rest = png.chunks(encoded(Image.fromarray(SMOOTH), "PNG"))
    return png.file_of([first, (name, content), *rest])


def deep_png(samples):
    return png.file_of(png.encode(samples))


def deep_tiff(samples):
    sink = io.BytesIO()
    alone = samples[..., 0] if samples.shape[2] == 1 else samples
    tifffile.imwrite(sink, alone, photometric="rgb" if alone.ndim == 3 else "minisblack", compression="lzw")
    return sink.getvalue()


RGB = Image.fromarray(SMOOTH)
ASTRONAUT = skimage.data.astronaut()[:300]
FACES = np.hstack([ASTRONAUT, ASTRONAUT[:, ::-1]])
DEEP = np.dstack([SMOOTH, ALPHA]).astype(np.uint16) * 251
RESTORED = {
    "grey.jpg": encoded(RGB.convert("L"), "JPEG"),
    "cmyk.jpg": encoded(RGB.convert("CMYK"), "JPEG"),
    "progressive.jpg": encoded(RGB, "JPEG", progressive=True),
    "palette.png": encoded(RGB.quantize(16), "PNG"),
    "palette-transparent.png": encoded(RGB.quantize(16), "PNG", transparency=3),
    "alpha.png": encoded(Image.fromarray(np.dstack([SMOOTH, ALPHA])), "PNG"),
    "la.png": encoded(Image.fromarray(np.dstack([SMOOTH[..., 0], ALPHA]), "LA"), "PNG"),
    "bits.png": encoded(RGB.convert("1"), "PNG"),
    "bits.tif": encoded(RGB.convert("1"), "TIFF", compression="group4"),
    "palette.tif": encoded(RGB.quantize(16), "TIFF"),
    "cmyk.tif": encoded(RGB.convert("CMYK"), "TIFF", compression="tiff_lzw"),
    "deep-grey.png": deep_png(DEEP[..., :1]),
    "deep.png": deep_png(DEEP[..., :3]),
    "deep-alpha.png": deep_png(DEEP),
    "deep-grey.tif": deep_tiff(DEEP[..., :1]),
    "deep.tif": deep_tiff(DEEP[..., :3]),
    "lossy.webp": encoded(RGB, "WEBP"),
    "lossless.webp": encoded(RGB, "WEBP", lossless=True),
    "a.avif": encoded(RGB, "AVIF"),
    "a.bmp": encoded(RGB, "BMP"),
    "palette.bmp": encoded(RGB.quantize(16), "BMP"),
    "no-extension": encoded(RGB, "PNG"),
    "a jpeg named.png": encoded(RGB, "JPEG"),
    ".hidden.png": encoded(RGB, "PNG"),
    "new\nline.png": encoded(RGB, "PNG"),
    "雪 ünï.png": encoded(RGB, "PNG"),
    "deep/er/same.png": encoded(RGB, "PNG"),
    "same.png": encoded(RGB, "PNG"),
    "same.jpg": encoded(RGB, "JPEG"),
    "bad-xmp.png": with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0\xff\xfe<x></rdf:RDF>"),
    "bad-exif.png": with_chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"),
    "bad-exif.jpg": encoded(RGB, "JPEG", exif=b"Exif\0\0no exif at all"),
    "bad-profile.jpg": encoded(RGB, "JPEG", icc_profile=b"no profile"),
    "pages.tif": encoded(RGB, "TIFF", save_all=True, append_images=[RGB]),
    "faces.png": encoded(Image.fromarray(FACES), "PNG"),
    "large.jpg": encoded(Image.fromarray(SMOOTH).resize((6000, 4000)), "JPEG"),
    **{f"turned-{i}.jpg": turned("JPEG", i) for i in range(1, 9)},
    **{f"turned-{i}.tif": turned("TIFF", i) for i in (1, 6)},
}
SKIPPED = {
    "empty.jpg": b"",
    "text.jpg": b"dear archivist, this is no picture",
    "bomb.png": bomb(),
    "endless.gif": endless_gif(),
    "moving.webp": encoded(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(180)]),
    "moving.png": encoded(RGB, "PNG", save_all=True, append_images=[RGB.rotate(180)]),
    "two.mpo": encoded(RGB, "MPO", save_all=True, append_images=[RGB]),
    "line.png": encoded(Image.new("RGB", (300, 1)), "PNG"),
}
FAILED = {
    "cut.jpg": RESTORED["grey.jpg"][:-400],
    "text-bomb.png": text_bomb(),
    "name" * 62 + ".png": RESTORED["same.png"],
}
EITHER = {"looping.tif": looping_tiff()}  # has one row, whatever it says
LATIN = b"caf\xe9.png"  # no UTF-8
LOSSY = ("JPEG", "AVIF")


def hole_of(name):
    """The hole of a picture, upright."""
    if name == "faces.png":  # over both faces, and one beside them
        hole = np.zeros(FACES.shape[:2], np.uint8)
        hole[120:168, 200:252] = hole[120:168, -252:-200] = hole[280:295, 20:40] = 1
        return hole
    if name == "large.jpg":
        hole = np.zeros((4000, 6000), np.uint8)
        hole[1000:1020, 3000:3020] = 1
        return hole
    hole = np.zeros(SMOOTH.shape[:2], np.uint8)
    hole[HOLE] = 1
    number = name.removeprefix("turned-").partition(".")[0]
    return hole.T if number in ("5", "6", "7", "8") else hole


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("awkward")
    files = RESTORED | SKIPPED | FAILED | EITHER
    for name, data in files.items():
        (root / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "in" / name).write_bytes(data)
        mask = root / "masks" / f"{name}.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        if len(mask.name.encode()) < 256:
            Image.fromarray(hole_of(name) * 255).save(mask)
    (Path(os.fsdecode(os.path.join(os.fsencode(root / "in"), LATIN)))).write_bytes(RESTORED["same.png"])
    Image.fromarray(hole_of("") * 255).save(root / "masks" / "caf\\xe9.png")
    os.symlink("same.png", root / "in/link.png")
    Image.fromarray(hole_of("") * 255).save(root / "masks/link.png")
    os.symlink("nothing", root / "in/dangling.png")
    os.symlink("..", root / "in/round")
    os.mkfifo(root / "in/pipe.png")
    return root


@pytest.fixture(scope="module")
def rows(archive, tiny_weights):
    command = [sys.executable, str(JOB), "--input", str(archive / "in"), "--masks", str(archive / "masks")]
    command += ["--output", str(archive / "out"), "--weights", tiny_weights, "--cpus-per-worker", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [row for path in (archive / "out/ledger").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert len({row["key"] for row in found}) == len(found)
    return {row["key"]: row for row in found}


def test_each_file_has_one_row_of_the_right_kind(rows):
    wanted = dict.fromkeys(RESTORED, "restored-fallback") | dict.fromkeys(SKIPPED, "skipped")
    wanted |= dict.fromkeys(FAILED, "failed")
    wanted |= {"caf\\xe9.png": "restored-fallback", "link.png": "restored-fallback"}
    found = {key: row["status"] for key, row in rows.items()}
    assert found.pop("looping.tif") in ("restored-fallback", "skipped", "failed")
    assert found == wanted
    assert rows["faces.png"]["faces"] == 2
    assert "1 hole(s)" in rows["faces.png"]["reason"]
    assert all(rows[key]["reason"] for key in SKIPPED | FAILED)


@pytest.mark.parametrize("name", [*RESTORED, "caf\\xe9.png"])
def test_outside_the_hole_nothing_moved(archive, rows, name):
    source = RESTORED.get(name, RESTORED["same.png"])
    result = (archive / "out" / rows[name]["output"]).read_bytes()
    before, after = (Image.open(io.BytesIO(data)) for data in (source, result))
    assert before.format == after.format
    assert before.getexif().get(0x0112) == after.getexif().get(0x0112) or before.format == "TIFF"
    outside = hole_of(name) == 0
    if name.startswith(("deep-", "deep.")):
        a, b = (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) for data in (source, result))
        assert a.dtype == b.dtype == np.uint16
    else:
        a, b = (np.asarray(ImageOps.exif_transpose(image).convert("RGBA")) for image in (before, after))
    assert a.shape == b.shape
    if before.format in LOSSY or name == "lossy.webp":
        assert np.abs(a.astype(int) - b)[outside].mean() < 3
    else:
        assert np.array_equal(a[outside], b[outside])
    assert not np.array_equal(a[~outside], b[~outside])


def test_names_that_leave_the_archive_or_come_twice(ray_local, tiny_weights, tmp_path):
    members = ["../up.png", "/etc/absolute.png", "a/../../up.png", "twice.png", "./twice.png", "a/b.png"]
    with tarfile.open(tmp_path / "in.tar", "w") as tar, zipfile.ZipFile(tmp_path / "in.zip", "w") as zipped:
        for name in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(RESTORED["same.png"])
            tar.addfile(entry, io.BytesIO(RESTORED["same.png"]))
            zipped.writestr(name, RESTORED["same.png"])
    for kind in ("tar", "zip"):
        output = tmp_path / f"out-{kind}"
        job = Options(input=str(tmp_path / f"in.{kind}"), masks="squares:8", output=str(output), weights=tiny_weights)
        assert sum(restore(job).values()) == len(members)
        found = pq.read_table(output / "ledger").to_pylist()
        statuses = Counter(row["status"] for row in found)
        assert statuses == {"failed": 3, "restored-fallback": 3}, found
        assert sorted(row["output"] for row in found if row["output"]) == ["a/b.png", "twice.png", "twice.png#2"]
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert not [name for name in names if not name.startswith(("in.", "out-"))]
