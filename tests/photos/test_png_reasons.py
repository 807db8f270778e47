"""What is wrong with a PNG is said in the same words each time."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from faceinpaint.errors import InputError
from faceinpaint.photos.photo import read_photo


def test_a_cut_chunk_has_a_reason_without_stray_memory():
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(file, "PNG")
    data = file.getvalue()
    start = data.index(b"IDAT") - 4
    torn = (
        data[:start] + (4).to_bytes(4, "big") + b"IDAT" + b"\0" * 4 + zlib.crc32(b"IDAT" + b"\0" * 4).to_bytes(4, "big")
    )
    reasons = set()
    for _ in range(5):
        with pytest.raises(InputError) as caught:
            read_photo(torn + data[-12:])
        reasons.add(str(caught.value))
    assert len(reasons) == 1
    assert "[" not in reasons.pop()


@pytest.mark.parametrize("kept", [40, 60, -4, -12])
def test_a_cut_file_has_the_same_reason_each_time(kept):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)).save(file, "PNG")
    reasons = set()
    for _ in range(5):
        with pytest.raises(InputError) as caught:
            read_photo(file.getvalue()[:kept])
        reasons.add(str(caught.value))
    assert len(reasons) == 1
