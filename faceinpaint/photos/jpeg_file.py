"""JPEG files: decoded by Pillow, changed block by block, with the segments that still hold."""

from __future__ import annotations

import io

from PIL import Image, JpegImagePlugin

from faceinpaint.errors import NoPhotographError
from faceinpaint.photos import jpeg, previews, stale
from faceinpaint.photos.coding import BLOCKS, CAPTIONS, COMMENT, Change, Decoded, PhotoFile, Written
from faceinpaint.photos.opening import as_image, exif_of, load, opened

MODES = ("L", "RGB", "CMYK")
LONGEST_SEGMENT = 65533
IPTC = 0x0404  # Photoshop's resource


class JpegFile(PhotoFile):
    """A JPEG, alone or with pictures behind it that belong to it."""

    format = "JPEG"
    lossless = False

    def __init__(self, data: bytes):
        self.end = jpeg.end_of(data)
        if self.end is None:
            data = jpeg.ended(data)
            self.end = jpeg.end_of(data)
        super().__init__(data)
        self.file = opened(data)
        if self.file.mode not in MODES:
            raise NoPhotographError(f"JPEG of mode {self.file.mode}: convert it to RGB first")
        _check_companions(self.file, data)
        self.size = self.file.size[::-1]
        self.block = jpeg.coded_block(self.file)
        self.exif, self.orientation = exif_of(self.file)
        self.xmp = self.file.info.get("xmp")
        self.dpi = self.file.info.get("dpi")

    def decode(self) -> Decoded:
        samples = load(self.file) if self.file.mode == "CMYK" else jpeg.decode(self.data)
        return Decoded(samples=samples, mode=self.file.mode, profile=self.file.info.get("icc_profile"))

    def encode(self, decoded: Decoded | None, change: Change, xmp: bytes) -> Written:
        notes: list[str] = []
        faults: list[str] = []
        blocks: list[bytes] = []

        def edit(segments: list[jpeg.Segment]) -> list[jpeg.Segment]:
            kept, dropped = stale.fresh_segments(segments, xmp)
            notes.extend(dropped)
            blocks.extend(content for marker, content in kept if marker == 0xE1 and content.startswith(stale.EXIF))
            too_long = [marker for marker, content in kept if len(content) > LONGEST_SEGMENT]
            if too_long:
                raise NoPhotographError("the XMP packet has no room for a statement: shorten it first")
            return kept

        try:
            data, fidelity = jpeg.change_blocks(self.data, change, edit, faults=faults), BLOCKS
        except jpeg.CannotKeepBlocksError as error:
            data, fidelity = self._recoded(decoded or self.decode(), change, edit), f"recoded: {error}"
        for block in blocks:
            data, renewed = _with_new_previews(data, block)
            notes += renewed
        return Written(data=data, fidelity=fidelity, dropped=notes + self.left_behind(), faults=faults)

    def left_behind(self) -> list[str]:
        return stale.jpeg_tail(self.data[self.end or len(self.data) :])

    def without_place(self) -> list[str]:
        info = self.file.info
        captions = [CAPTIONS] if IPTC in info.get("photoshop", {}) else []
        return captions + ([COMMENT] if info.get("comment") else [])

    def faults(self) -> list[str]:
        return jpeg.faults_of(self.data)

    def _recoded(self, decoded: Decoded, change: Change, edit: jpeg.Edit) -> bytes:
        """Coded anew with the same tables, chroma sampling and scan kind, where the encoder has them."""
        samples = change.applied(decoded.samples)
        sampling = JpegImagePlugin.get_sampling(self.file)
        sink = io.BytesIO()
        as_image(samples, decoded.mode).save(
            sink,
            "JPEG",
            qtables=self.file.quantization,  # type: ignore[attr-defined]
            progressive=bool(self.file.info.get("progressive")),
            **({"subsampling": sampling} if sampling >= 0 else {}),
        )
        own = [(_marker(name), content) for name, content in self.file.applist]  # type: ignore[attr-defined]
        adobe = 0xEE  # says how colours are coded: the encoder's business
        mine = [segment for segment in own if segment[0] != adobe]
        return jpeg.edit_segments(sink.getvalue(), lambda new: edit(mine + [s for s in new if s[0] == adobe]))


def _marker(name: str) -> int:
    return 0xFE if name == "COM" else 0xE0 + int(name.removeprefix("APP"))


def _check_companions(file: Image.Image, data: bytes) -> None:
    """Raises :class:`NoPhotographError` for several photographs in one file; what is derived from the first is not one.

    Previews, gain maps and depth maps are smaller, or said to be such.
    """
    if file.format != "MPO":
        return
    entries = file.mpinfo.get(0xB002, [])[1:]  # type: ignore[attr-defined]
    declared = any(word in data for word in (b"hdr-gain-map", b"HDRGainMap", stale.ISO_GAIN_MAP, b"GDepth"))
    for entry in entries:
        kind = entry["Attribute"]["MPType"]
        start = entry["DataOffset"] + _mpf_start(data)
        try:
            with Image.open(io.BytesIO(data[start : start + entry["Size"]])) as companion:
                smaller = companion.size != file.size
        except (OSError, ValueError, SyntaxError):
            smaller = True
        if kind.startswith("Multi-Frame") or not (declared or smaller or kind.startswith("Large Thumbnail")):
            raise NoPhotographError("JPEG of several pictures: split it into single ones first")


def _mpf_start(data: bytes) -> int:
    """What offsets of MPF count from."""
    return data.find(stale.MPF) + len(stale.MPF)


def _with_new_previews(data: bytes, block: bytes) -> tuple[bytes, list[str]]:
    """The new JPEG with the previews in its EXIF ``block`` showing it, and what was done."""

    def shown(size: tuple[int, int]) -> Image.Image:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            image.draft("RGB", size)
            return image.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=2)

    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        fresh, notes = previews.renewed(block, image.size, shown)
    place = data.index(block)
    return data[:place] + fresh + data[place + len(block) :], notes
