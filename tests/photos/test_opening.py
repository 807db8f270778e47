"""Files that are programs are not run, wherever a picture is read."""

import io

import pytest
from PIL import EpsImagePlugin, Image

from faceinpaint.data.labels import decode_labels
from faceinpaint.data.mask_pictures import decode_mask
from faceinpaint.errors import InputError
from faceinpaint.photos.decode import decode_rgb
from faceinpaint.photos.photo import read_photo


@pytest.mark.parametrize("read", [decode_mask, decode_rgb, read_photo, lambda data: decode_labels(data, (20, 20))])
def test_no_program_is_run(monkeypatch, read):
    def run(*_, **__):
        raise AssertionError("Ghostscript was started")

    sink = io.BytesIO()
    Image.new("L", (20, 20), 255).save(sink, "EPS")
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    with pytest.raises(InputError, match=r"^EPS is .*: convert it to PNG first"):
        read(sink.getvalue())
