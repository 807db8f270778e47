"""JPEG 2000 files: see jp2."""

from __future__ import annotations

from faceinpaint.photos import jp2
from faceinpaint.photos.coding import EXACT, Change, Decoded, PhotoFile, Written, check_same


class Jp2File(PhotoFile):
    """A JP2, or a bare codestream, which has no place for a statement."""

    format = "JPEG2000"

    def __init__(self, data: bytes):
        super().__init__(data)
        self.size, self.xmp = jp2.size_and_xmp(data)
        self.holds_xmp = not data.startswith(jp2.CODESTREAM)

    def decode(self) -> Decoded:
        samples, largest, mode, profile = jp2.read_jp2(self.data)
        return Decoded(samples=samples, mode=mode, largest=largest, profile=profile)

    def encode(self, decoded: Decoded | None, change: Change, xmp: bytes) -> Written:
        samples = change.applied((decoded or self.decode()).samples)
        data, dropped = jp2.write_jp2(self.data, samples, xmp)
        check_same(jp2.read_jp2(data)[0], samples, self.format)
        return Written(data=data, fidelity=EXACT, dropped=dropped)
