"""The coded bits of a JPEG's scan: rows below a change are carried over as bits, neither read nor coded anew.

A baseline JPEG is one run of Huffman codes, unit by unit in rows (ITU-T T.81, annexes A.2 and F.1.2). What a unit's
codes are depends on its own coefficients and on the DC values of the unit before it. So a change in some rows leaves
the codes of all units behind the first untouched one as they were, moved by some bits. The rows down to two below the
change are taken out as a JPEG of their own (:meth:`Scan.upper`), changed, and put back before the rest
(:func:`joined`). The place where the rest begins is found by the codes of the last row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import simplejpeg

BASELINE, TABLES = (0xC0, 0xC1), (0xC4, 0xC8, 0xCC)  # frames of Huffman's code; no frames, but of such numbers
RESTARTS, SCAN, IMAGE_END = 0xDD, 0xDA, 0xD9
BLOCK, INKS = 8, 4
ROWS_BELOW = 2  # of units, below the last change: one may start from changed DC values, the next one does not
LEAST_REST = 100_000  # bytes; fewer are quicker coded than carried
WITNESSES = 256  # bytes of codes by which the rest's place is found


@dataclass(frozen=True)
class Scan:
    """A baseline JPEG of one scan, without restart markers.

    height_at: where its frame says its ``height``; unit: rows of pixels that are coded together; start, end: of the
    coded bytes.
    """

    data: bytes = field(repr=False)
    height_at: int
    height: int
    unit: int
    components: int
    start: int
    end: int

    def codes(self) -> bytes | None:
        """The codes, without the zeros that follow each 0xFF; None with markers among them."""
        stuffed = self.data[self.start : self.end]
        codes = stuffed.replace(b"\xff\0", b"\xff")
        return codes if codes.count(0xFF) == len(stuffed) - len(codes) else None

    def head(self, height: int) -> bytes:
        """All before the codes, for a picture of another height."""
        return self.data[: self.height_at] + height.to_bytes(2) + self.data[self.height_at + 2 : self.start]

    def upper(self, bottom: int) -> bytes | None:
        """A JPEG whose height is that of the rows down to some below ``bottom`` (the first unchanged row of pixels).

        Its scan still holds the rest, which decoders step over. None where the rest is not worth it.
        """
        height = (-(-bottom // self.unit) + ROWS_BELOW) * self.unit
        rest = (self.end - self.start) * (1 - height / self.height) if self.height else 0
        return self.head(height) + self.data[self.start :] if rest >= LEAST_REST else None


def scan_of(data: bytes) -> Scan | None:
    """The scan of a JPEG; None for other kinds: progressive, of several scans, with restart markers, cut short."""
    place, frame = 2, 0
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in (0x00, 0xFF):  # bytes that no marker needs
            return None
        if marker in BASELINE:
            frame = place
        elif (0xC0 <= marker <= 0xCF and marker not in TABLES) or (
            marker == RESTARTS and any(data[place + 4 : place + 6])
        ):
            return None
        if marker == SCAN:
            return _scan(data, frame, place)
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return None


def _scan(data: bytes, frame: int, place: int) -> Scan | None:
    components = data[frame + 9]
    start = place + 2 + int.from_bytes(data[place + 2 : place + 4])
    end = data.find(bytes([0xFF, IMAGE_END]), start)
    if not frame or data[place + 4] != components or end < 0:
        return None
    sampled = max(data[frame + 11 + 3 * i] & 15 for i in range(components))
    return Scan(data, frame + 5, int.from_bytes(data[frame + 5 : frame + 7]), BLOCK * sampled, components, start, end)


def joined(top: bytes, whole: Scan) -> bytes | None:
    """``top``, a JPEG of the upper rows of ``whole`` with changes, made whole again by the rest of its codes.

    Its tables must be those of ``whole``, and its last rows unchanged. All codes of the new file are read once. None
    where decoders find a fault in them, or the place of the rest cannot be told, as in a picture whose rows repeat.
    """
    scan = scan_of(top)
    new, old = scan.codes() if scan else None, whole.codes()
    if scan is None or new is None or old is None:
        return None
    seam = len(new) - 1  # the last byte may hold bits that fill it
    place = _only_place(new[max(0, seam - WITNESSES) : seam], old)
    if place is None:
        return None
    head, end = scan.head(whole.height), whole.data[whole.end : whole.end + 2]
    rest = _from_bit(old, place)
    rests = [rest]
    if place % 8 and rest.endswith(b"\xff"):  # bits that filled the last byte may have become a byte of their own
        rests.insert(0, rest[:-1])
    files = (head + _stuffed(new[:seam] + each) + end for each in rests)
    return next((file for file in files if is_whole(file, whole.components)), None)


def _only_place(codes: bytes, among: bytes) -> int | None:
    """The bit behind ``codes`` where they occur ``among`` bits; None where they do not, or more than once."""
    bits, length = int.from_bytes(codes), len(codes) - 1
    places: list[int] = []
    for shift in range(8):
        pattern = (bits >> shift & (1 << 8 * length) - 1).to_bytes(length)
        found = among.find(pattern)
        if found >= 0:
            places.append(8 * (found + length) + shift)
            if len(places) > 1 or among.find(pattern, found + 1) >= 0:
                return None
    return places[0] if places else None


def _from_bit(data: bytes, place: int) -> bytes:
    """The bits from ``place`` on, filled up with ones."""
    part = np.frombuffer(data, np.uint8, offset=place // 8)
    moved = place % 8
    if not moved:
        return part.tobytes()
    following = np.append(part[1:], np.uint8(255))
    return (part << moved | following >> (8 - moved)).tobytes()


def _stuffed(codes: bytes) -> bytes:
    return codes.replace(b"\xff", b"\xff\0")


def is_whole(data: bytes, components: int) -> bool:
    """Whether a JPEG's codes are all there, to the last bit, and no more: read in full, at an eighth of its size."""
    try:
        simplejpeg.decode_jpeg(data, "CMYK" if components == INKS else "GRAY", min_factor=8)
    except ValueError:
        return False
    return True
