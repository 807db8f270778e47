"""A JPEG with new pixels in its hole: every block that the hole does not touch keeps its coefficients, bit for bit.

A JPEG is 8 x 8 blocks of DCT coefficients per component, divided by a quantisation table and rounded (ITU-T T.81,
annex A). Decoding a picture and coding it again moves every pixel a little. Here the coefficients are read (jpegio,
libjpeg-turbo), those of touched blocks are computed anew, and all are written with the file's own tables, chroma
sampling, scan kind and restart interval. The written file is read again and compared. Where a scan's bits can be
carried over (:mod:`.jpeg_scan`), this is done with the rows down to the last change alone.

Decoders smooth chroma between neighbouring blocks: where chroma is sampled down, the pixel row or column beside a
touched block may be decoded one level apart, although its own block is the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import imagecodecs
import jpegio
import numpy as np
from PIL import Image

from faceinpaint.errors import InputError
from faceinpaint.photos import jpeg_scan
from faceinpaint.photos.coding import Change
from faceinpaint.photos.jpeg_blocks import BLOCK, CMYK, GREY, RGB, YCC, YCCK, paint
from faceinpaint.stderr import caught, printed

SEQUENTIAL, RESTARTS = (0xC0, 0xC1), 0xDD  # markers of frames of Huffman's code, and of a restart interval
SCAN, END = 0xDA, b"\xff\xd9"
AS_STORED = -1  # samples are the components themselves
CHANNELS = {GREY: 1, RGB: 3, YCC: 3, CMYK: 4, YCCK: 4}
HARMLESS = b"Warning: unknown JFIF revision"
WARNINGS = (b"Corrupt JPEG data", b"Premature end of JPEG file", b"Inconsistent progression", HARMLESS)  # libjpeg's
LONGEST_BLOCK = 4096  # bytes, more than blocks that are coded together take
STANDARD_LUMINANCE_DC = (0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0)  # T.81, table K.3: codes of each length

Segment = tuple[int, bytes]  # marker, such as 0xE1, and content
Edit = Callable[[list[Segment]], list[Segment]]


class CannotKeepBlocksError(Exception):
    """This JPEG's coefficients cannot be carried over; the message says why."""


def change_blocks(
    data: bytes, change: Change, edit: Edit = list, space: int | None = None, faults: list[str] | None = None
) -> bytes:
    """The JPEG ``data`` with ``change`` in its touched blocks, and its segments (APPn, comments) through ``edit``.

    ``space``: what the components are, where the JPEG does not say it itself; ``faults``: gets what was found wrong
    with the coded data, in the decoder's words, where it could be read all the same.

    Raises :class:`CannotKeepBlocksError` for codings that cannot be carried over, and ``RuntimeError`` when the written
    file does not hold the coefficients it should.
    """
    edited: list[list[Segment]] = []

    def once(segments: list[Segment]) -> list[Segment]:
        edited[:] = edited or [edit(segments)]
        return edited[0]

    scan = jpeg_scan.scan_of(data)
    upper = scan.upper(change.top + change.hole.shape[0]) if scan else None
    if scan is not None and upper is not None:
        with suppress(CannotKeepBlocksError):  # if it is not for the shortcut, the whole file says so too
            whole = jpeg_scan.joined(_changed(upper, change, once, space, None, own_tables=True), scan)
            if whole is not None:
                return whole
    return _changed(data, change, once, space, faults)


def _changed(
    data: bytes, change: Change, edit: Edit, space: int | None, faults: list[str] | None, own_tables: bool = False
) -> bytes:
    """:func:`change_blocks` by reading and writing all coefficients. ``own_tables``: with no other Huffman tables."""
    with tempfile.TemporaryDirectory(prefix="faceinpaint-") as folder:
        source, target = Path(folder, "source.jpg"), Path(folder, "target.jpg")
        source.write_bytes(data)
        jpeg = _read(source, faults)
        _check(jpeg, change, space)
        with Image.open(source) as opened:
            paint(jpeg, change, space or jpeg.jpeg_color_space, sorted(opened.quantization))  # type: ignore[attr-defined]
        segments = [(segment["type"], segment["data"]) for segment in jpeg.markers]
        jpeg.markers = [{"type": marker, "data": content} for marker, content in edit(segments)]
        _write(jpeg, target, own_tables)
        written = _read(target)
        same = all(map(np.array_equal, jpeg.coef_arrays, written.coef_arrays))
        if not same and own_tables:
            raise CannotKeepBlocksError("its Huffman tables lack a code")
        if not same or not all(map(np.array_equal, jpeg.quant_tables, written.quant_tables)):
            raise RuntimeError("the written JPEG does not hold the coefficients that it should")
        return target.read_bytes()


def decode(data: bytes) -> np.ndarray:
    """Samples uint8 (H, W, C) of a JPEG of grey or RGB, as Pillow decodes it.

    Raises :class:`InputError` for a damaged one.
    """
    if end_of(data) is None:
        raise InputError("not a readable picture: the JPEG is cut short")
    try:
        samples = imagecodecs.jpeg8_decode(data)
    except (imagecodecs.Jpeg8Error, ValueError, RuntimeError) as error:
        raise InputError(f"not a readable picture: {error}") from None
    return samples.reshape(*samples.shape[:2], -1)


def end_of(data: bytes) -> int | None:
    """Where a JPEG ends, whatever stands behind it; None when it is cut short."""
    place = 2
    while place + 4 <= len(data) and data[place : place + 2] != bytes([0xFF, SCAN]):
        stray = data[place] != 0xFF or data[place + 1] in (0x00, 0xFF)  # filler, or bytes that no marker needs
        place += 1 if stray else 2 + int.from_bytes(data[place + 2 : place + 4])
    end = data.find(END, place)  # in a scan 0xFF is followed by 0
    return end + len(END) if end >= 0 else None


def ended(data: bytes) -> bytes:
    """A JPEG without its end marker, with it, if nothing else is missing; any other as it is.

    A picture of one scan without restart markers is whole when it does not depend on the bits that follow its last
    byte. Of other kinds scans or intervals might be missing.
    """
    if end_of(data) is not None or not _is_one_scan(data):
        return data
    whole = data.removesuffix(END[:1]) + END
    try:
        picture = imagecodecs.jpeg8_decode(whole)
        for filler in (b"\x55", b"\xaa"):
            other = imagecodecs.jpeg8_decode(whole.removesuffix(END) + filler * LONGEST_BLOCK + END)
            if not np.array_equal(picture, other):
                return data
    except (imagecodecs.Jpeg8Error, ValueError, RuntimeError):
        return data
    return whole


def _is_one_scan(data: bytes) -> bool:
    """Whether all components of a JPEG are in one sequential scan, without restart markers."""
    place, components = 2, None
    while place + 10 <= len(data):
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        if marker == SCAN:
            return data[place + 4] == components
        if marker in SEQUENTIAL:
            components = data[place + 9]
        elif marker == RESTARTS:
            return False
        place += 1 if marker == 0xFF else 2 + length
    return False


def coded_block(file: Image.Image) -> tuple[int, int]:
    """Height and width, in stored pixels, of the largest block that a JPEG codes together: 8 to 32 each."""
    layers = [layer[1:3] for layer in file.layer]  # type: ignore[attr-defined]  # sampling across and down
    across, down = (max(sides) // min(sides) for sides in zip(*layers, strict=True))
    return BLOCK * down, BLOCK * across


def edit_segments(data: bytes, edit: Edit) -> bytes:
    """The JPEG ``data`` with the same coefficients, and its segments through ``edit``. Raises as above."""
    nothing = Change(samples=np.empty((0, 0, 1), np.uint8), hole=np.empty((0, 0), bool))
    return change_blocks(data, nothing, edit)


def faults_of(data: bytes) -> list[str]:
    """What is wrong with the coded data of a JPEG that decoders read all the same; [] for most."""
    faults: list[str] = []
    with tempfile.NamedTemporaryFile(prefix="faceinpaint-", suffix=".jpg") as file, suppress(CannotKeepBlocksError):
        file.write(data)
        file.flush()
        _read(Path(file.name), faults)
    return faults


def _read(path: Path, faults: list[str] | None = None) -> jpegio.DecompressedJpeg:
    lines: list[bytes] = []
    try:
        with caught() as lines:  # libjpeg prints its first warning
            return jpegio.read(str(path))
    except RuntimeError as error:
        raise CannotKeepBlocksError(f"its coefficients cannot be read: {error}") from None
    finally:
        mine = [line for line in lines if line.startswith(WARNINGS)]
        printed([line for line in lines if line not in mine])
        if faults is not None:
            faults += [_in_words(line) for line in mine if not line.startswith(HARMLESS)]


def _in_words(warning: bytes) -> str:
    what = warning.decode("latin-1").strip().removeprefix("Corrupt JPEG data: ")
    return f"the JPEG's coded data has a fault ({what}): restored as it can be read"


def _write(jpeg: jpegio.DecompressedJpeg, path: Path, own_tables: bool) -> None:
    """Huffman tables: the standard ones as they are; others, made for the old coefficients, anew, unless wanted."""
    anew = not jpeg.progressive_mode and not own_tables and not _has_standard_tables(jpeg)
    try:
        try:
            jpeg.optimize_coding = int(anew)
            jpeg.write(str(path))
        except RuntimeError:  # a symbol that the tables lack
            if own_tables:
                raise
            jpeg.optimize_coding = 1
            jpeg.write(str(path))
    except RuntimeError as error:
        raise CannotKeepBlocksError(f"its coefficients cannot be written: {error}") from None


def _has_standard_tables(jpeg: jpegio.DecompressedJpeg) -> bool:
    return bool(jpeg.dc_huff_tables) and tuple(jpeg.dc_huff_tables[0]["counts"]) == STANDARD_LUMINANCE_DC


def _check(jpeg: jpegio.DecompressedJpeg, change: Change, space: int | None) -> None:
    """Raises :class:`CannotKeepBlocksError` for what :func:`paint` does not understand."""
    channels = CHANNELS.get(jpeg.jpeg_color_space) if space is None else jpeg.num_components
    if channels != jpeg.num_components or (change.hole.size and channels != change.samples.shape[2]):
        raise CannotKeepBlocksError(f"its colours are coded in an unknown way, in {jpeg.num_components} components")
    for part in jpeg.comp_info:
        if jpeg.max_h_samp_factor % part.h_samp_factor or jpeg.max_v_samp_factor % part.v_samp_factor:
            raise CannotKeepBlocksError("its components are sampled in fractions of each other")
