"""What the engine makes of a request, apart from Ray."""

from types import SimpleNamespace

import numpy as np
import pytest

from faceinpaint.data.mask_pictures import decode_mask
from faceinpaint.data.mask_spec import MaskFile
from faceinpaint.encoding import mask_png, png_bytes
from faceinpaint.inference.document import examine
from faceinpaint.serving.engine import Engine, RestoreRequest


@pytest.mark.parametrize("name", ["a.png", "../a.png", "/etc/a.png", "masks", "report.html", "a.bmp.xmp", "C:\\a.png"])
def test_the_name_that_a_client_sends_is_no_reason_to_refuse_its_picture(name):
    model = SimpleNamespace(image_size=32, config=SimpleNamespace(alignment="celeba"), model_sha256="")
    hole = np.zeros((32, 32), np.uint8)
    hole[8:20, 8:20] = 1
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    request = RestoreRequest(key=name, picture=png_bytes(picture), mask=mask_png(hole))
    engine = SimpleNamespace(inpainter=model)
    settings = Engine._settings(engine, request, MaskFile(decode_mask(request.mask)))  # type: ignore[arg-type]
    examined = examine(name, request.picture, None, settings)
    assert (examined.row.status, examined.row.reason) == (None, None)
    assert examined.plan.patches
