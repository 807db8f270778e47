"""PNM and BMP files whose pixels lie bare: see bitmap."""

from __future__ import annotations

from faceinpaint.photos import bitmap
from faceinpaint.photos.coding import EXACT, Change, Decoded, PhotoFile, Written, check_same


class PnmFile(PhotoFile):
    """Grey and colour maps, as bytes or as text."""

    format = "PNM"
    holds_xmp = False

    def __init__(self, data: bytes):
        super().__init__(data)
        self.size = bitmap.pnm_size(data)

    def decode(self) -> Decoded:
        found = bitmap.read_pnm(self.data)
        return Decoded(samples=found.values, mode=found.mode, largest=found.largest)

    def encode(self, decoded: Decoded | None, change: Change, xmp: bytes) -> Written:
        samples = change.applied((decoded or self.decode()).samples)
        data = bitmap.write_pnm(self.data, samples)
        check_same(bitmap.read_pnm(data).values, samples, self.format)
        return Written(data=data, fidelity=EXACT)


class BmpFile(PhotoFile):
    """BMP of 16, 24 and 32 bits without compression."""

    format = "BMP"
    holds_xmp = False

    def __init__(self, data: bytes):
        super().__init__(data)
        self.size = bitmap.bmp_size(data)

    def decode(self) -> Decoded:
        found = bitmap.read_bmp(self.data)
        return Decoded(samples=found.values, mode=found.mode)

    def encode(self, decoded: Decoded | None, change: Change, xmp: bytes) -> Written:
        before = (decoded or self.decode()).samples
        hole = change.whole_hole(*self.size)
        data = bitmap.write_bmp(self.data, change.applied(before), hole)
        check_same(bitmap.read_bmp(data).values[~hole], before[~hole], self.format)
        return Written(data=data, fidelity=EXACT)
