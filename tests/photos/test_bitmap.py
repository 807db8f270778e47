"""PNM and BMP files change in their hole's bytes alone."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from faceinpaint.errors import InputError
from faceinpaint.photos.bitmap import is_bare_bmp, is_pnm, read_bmp, read_pnm, write_bmp, write_pnm

RNG = np.random.default_rng(4)
HOLE = np.zeros((20, 31), bool)
HOLE[5:9, 10:30] = True


def pnm(kind, largest, text=False):
    channels = 3 if kind in (3, 6) else 1
    values = RNG.integers(0, largest + 1, (20, 31, channels))
    head = b"P%d # by a scanner\n# twice\n31 20\n%d\n" % (kind, largest)
    if text:
        return head + b" ".join(b"%d" % value for value in values.reshape(-1)), values
    return head + values.astype(">u2" if largest > 255 else np.uint8).tobytes() + b"behind", values


@pytest.mark.parametrize("largest", [255, 65535, 1023, 100])
@pytest.mark.parametrize(("kind", "text"), [(5, False), (6, False), (2, True), (3, True)])
def test_pnm(kind, text, largest):
    data, values = pnm(kind, largest, text)
    assert is_pnm(data)
    found = read_pnm(data)
    assert found.largest == largest
    assert np.array_equal(found.values, values)
    new = found.values.copy()
    new[HOLE] = largest // 2
    after = write_pnm(data, new)
    assert np.array_equal(read_pnm(after).values, new)
    assert after[:24] == data[:24]  # comments
    if not text:
        assert after.endswith(b"behind")
        assert len(after) == len(data)
        if largest == 255:
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(after))).reshape(new.shape), new)


def test_other_pnm_is_not_taken_for_one():
    assert not is_pnm(b"P4 31 20\n" + bytes(80))
    assert not is_pnm(b"P5 31")
    with pytest.raises(InputError, match="cut short"):
        read_pnm(b"P5 31 20 255\n" + bytes(80))
    with pytest.raises(InputError, match="cut short"):
        read_pnm(b"P2 31 20 255\n1 2 x")


def bmp(bits, masks=(), top_down=False, head=40, gap=b""):
    """A BMP of random pixels; ``gap``: bytes between headers and pixels."""
    stride = (31 * bits + 31) // 32 * 4
    lines = RNG.integers(0, 256, (20, stride), np.uint8)
    size = head - 40 if head > 40 else 4 * len(masks)
    extra = struct.pack(f"<{len(masks)}I", *masks).ljust(size, b"\0")
    start = 54 + len(extra) + len(gap)
    compression = (6 if len(masks) == 4 and head == 40 else 3) if masks else 0
    info = struct.pack(
        "<IiiHHIIiiII", head, 31, -20 if top_down else 20, 1, bits, compression, lines.size, 3000, 3000, 0, 0
    )
    return b"BM" + struct.pack("<IHHI", start + lines.size, 1, 2, start) + info + extra + gap + lines.tobytes()


BMPS = {
    "24 bits": bmp(24),
    "24 bits from the top": bmp(24, top_down=True, gap=b"profile!"),
    "32 bits": bmp(32),
    "32 bits with alpha": bmp(32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), head=124),
    "32 bits in another order": bmp(32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000), head=108),
    "16 bits, 555": bmp(16),
    "16 bits, 565": bmp(16, (0xF800, 0x7E0, 0x1F)),
    "16 bits, 4444": bmp(16, (0xF00, 0xF0, 0xF, 0xF000), head=56),
}


@pytest.mark.parametrize("name", BMPS)
def test_bmp(name):
    data = BMPS[name]
    assert is_bare_bmp(data)
    found = read_bmp(data)
    new = found.values.copy()
    new[HOLE] = 0
    new[HOLE, 1] = 255
    after = write_bmp(data, new, HOLE)
    assert len(after) == len(data)
    assert np.array_equal(read_bmp(after).values, new)
    changed = np.flatnonzero(np.frombuffer(data, np.uint8) != np.frombuffer(after, np.uint8))
    assert 0 < len(changed) <= HOLE.sum() * 4  # headers, padding and unused bits stay
    if "4444" not in name and "another" not in name:  # Pillow does not know those
        seen = np.asarray(Image.open(io.BytesIO(data)))
        assert np.abs(seen[..., :3].astype(int) - found.values[..., :3]).max() <= 1  # scaling of few bits


def test_pillow_s_own_bmp_is_read_as_pillow_reads_it():
    picture = Image.fromarray(RNG.integers(0, 256, (20, 31, 3), np.uint8))
    sink = io.BytesIO()
    picture.save(sink, "BMP")
    assert np.array_equal(read_bmp(sink.getvalue()).values, np.asarray(picture))


def test_palettes_are_left_to_others_and_short_files_are_told():
    sink = io.BytesIO()
    Image.new("P", (31, 20)).save(sink, "BMP")
    assert not is_bare_bmp(sink.getvalue())
    with pytest.raises(InputError, match="cut short"):
        read_bmp(BMPS["24 bits"][:-5])
