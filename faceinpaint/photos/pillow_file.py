"""Files that Pillow decodes and encodes whole: WebP, AVIF, GIF, TGA, and BMP and PNM of palettes, runs, single bits."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from faceinpaint.errors import NoPhotographError
from faceinpaint.photos import previews, stale
from faceinpaint.photos.coding import COMMENT, EXACT, Change, Decoded, PhotoFile, Written
from faceinpaint.photos.gif import write_gif
from faceinpaint.photos.opening import as_array, as_image, exif_of, kept_mode, load, opened

FORMATS = ("WEBP", "AVIF", "GIF", "TGA", "BMP", "PPM")
WITH_METADATA = ("WEBP", "AVIF")
LOSSY_QUALITY = 95  # of WebP and AVIF, whose files do not say theirs
MACROBLOCK = (16, 16)  # pixels that VP8 codes together; AV1 chooses
KNOWN_WEBP = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"EXIF", b"XMP "}
AVIF_EXTRAS = {b"tmap": stale.GAIN_MAP, b"c2pa": stale.CREDENTIALS, b"auxl": "pictures beside the first"}


class PillowFile(PhotoFile):
    """A still picture of one of :data:`FORMATS`."""

    def __init__(self, data: bytes):
        super().__init__(data)
        self.file = opened(data)
        self.format = str(self.file.format)
        if self.format not in FORMATS:
            raise NoPhotographError(f"{self.format} is not restored: convert it to PNG first")
        if getattr(self.file, "is_animated", False):
            raise NoPhotographError(f"{self.format} of several pictures: split it into single ones first")
        if self.format == "AVIF" and is_deep_avif(data):
            raise NoPhotographError("AVIF of more than 8 bits would become 8: convert it first if that is acceptable")
        self.size = self.file.size[::-1]
        self.holds_xmp = self.format in WITH_METADATA
        self.lossless = self.format != "AVIF" and not (self.format == "WEBP" and b"VP8L" not in _chunks(data))
        self.block = (1, 1) if self.lossless else MACROBLOCK
        self.exif, self.orientation = exif_of(self.file)
        self.xmp = self.file.info.get("xmp")
        self.dpi = self.file.info.get("dpi")

    def without_place(self) -> list[str]:
        return [COMMENT] if self.file.info.get("comment") else []

    def decode(self) -> Decoded:
        load(self.file)
        image = kept_mode(self.file)
        return Decoded(samples=as_array(image), mode=image.mode, profile=self.file.info.get("icc_profile"))

    def encode(self, decoded: Decoded | None, change: Change, xmp: bytes) -> Written:
        decoded = decoded or self.decode()
        samples = change.applied(decoded.samples)
        if self.format == "GIF":
            load(self.file)
            hole = change.whole_hole(*self.size)
            data = write_gif(self.file, samples, hole, change.opaque)
            _check(data, decoded.samples[~hole], ~hole, self.format)
            return Written(data=data, fidelity=EXACT)
        options, notes = self._options(samples, xmp)
        sink = io.BytesIO()
        as_image(samples, decoded.mode).save(sink, self.format, **options)
        data = sink.getvalue()
        if not self.lossless:
            why = f"recoded: {self.format} with loss has no blocks to carry over, quality {LOSSY_QUALITY}"
            return Written(data=data, fidelity=why, dropped=notes)
        _check(data, samples, np.s_[:, :], self.format)
        return Written(data=data, fidelity=EXACT, dropped=notes)

    def _options(self, samples: np.ndarray, xmp: bytes) -> tuple[dict[str, Any], list[str]]:
        """What ``Image.save`` needs to keep the coding of the file and its metadata, and what was left out."""
        info = self.file.info
        if self.format == "BMP":
            return ({"dpi": info["dpi"]} if info.get("dpi") else {}), []
        if self.format == "TGA":
            kept: dict[str, Any] = {
                name: info[name] for name in ("orientation", "id_section", "compression") if name in info
            }
            return kept, ["extension area"] if b"TRUEVISION-XFILE" in self.data[-26:] else []
        if not self.holds_xmp:
            return {}, []
        options: dict[str, Any] = {"xmp": xmp}
        notes = self._extras()
        if info.get("icc_profile"):
            options["icc_profile"] = info["icc_profile"]
        if self.exif:
            options["exif"], done = previews.renewed_from(info["exif"], lambda: samples)
            notes += done
        return options | ({"lossless": True, "exact": True} if self.lossless else {"quality": LOSSY_QUALITY}), notes

    def _extras(self) -> list[str]:
        """What the file holds beyond what its encoder writes."""
        if self.format == "WEBP":
            return [
                stale.CREDENTIALS if name == b"C2PA" else f"chunk {name.decode('latin-1').strip()}"
                for name in _chunks(self.data)
                if name not in KNOWN_WEBP
            ]
        return [note for name, note in AVIF_EXTRAS.items() if name in self.data]


def is_deep_avif(data: bytes) -> bool:
    """Whether an AVIF has more than 8 bits per channel."""
    place = data.find(b"av1C")  # the decoder's configuration; bit 6 of its third byte says "high bit depth"
    return 0 <= place < len(data) - 6 and data[place + 6] & 0x40 > 0


def _chunks(data: bytes) -> list[bytes]:
    """The names of a WebP's chunks."""
    names, place = [], 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        names.append(name)
        place += 8 + size + size % 2
    return names


def _check(data: bytes, wanted: np.ndarray, where: Any, kind: str) -> None:
    """Raises ``RuntimeError`` unless ``data`` decodes to the samples ``wanted`` there.

    Encoders leave out an alpha channel that is opaque everywhere.
    """
    again = opened(data)
    load(again)
    samples = as_array(kept_mode(again))[where]
    missing = wanted.shape[-1] - samples.shape[-1]
    if missing == 1 and (wanted[..., -1] == 255).all():
        wanted = wanted[..., :-1]
    elif missing == -1 and (samples[..., -1] == 255).all():
        samples = samples[..., :-1]
    if not np.array_equal(samples, wanted):
        raise RuntimeError(f"the written {kind} does not read back as it was")
