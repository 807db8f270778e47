"""Identity: SFace's numbers are onnxruntime's, faces are cut where they lie, the loss behaves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceinpaint.losses.identity import CELEBA, CELEBA_CROP, TEMPLATE, crop_face, face_box, load_identity
from faceinpaint.models.arcface import ArcFace
from faceinpaint.models.sface import SFace, sface_path


def test_sface_equals_onnxruntime() -> None:
    import onnx
    import onnxruntime

    model = onnx.load(str(sface_path()))
    inputs = [item for item in model.graph.input if item.name == "data"]  # the weights are listed as inputs too
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    from skimage import data

    face = data.astronaut()[52:164, 168:280]
    noise = np.random.default_rng(0).integers(0, 256, face.shape)
    for levels in (face, noise):
        batch = torch.tensor(levels.copy()).permute(2, 0, 1)[None].float()
        theirs = torch.tensor(session.run(None, {"data": batch.numpy()})[0])
        ours = SFace().embed(batch / 127.5 - 1)
        torch.testing.assert_close(ours, torch.nn.functional.normalize(theirs), rtol=0, atol=1e-5)


def test_celeba_box_brings_landmarks_to_the_template() -> None:
    left, top, side = face_box("celeba")
    crop_left, crop_top, crop_side = CELEBA_CROP
    for (x, y), (want_x, want_y) in zip(CELEBA, TEMPLATE, strict=True):
        assert ((x - crop_left) / crop_side - left) / side * 112 == pytest.approx(want_x, abs=5)
        assert ((y - crop_top) / crop_side - top) / side * 112 == pytest.approx(want_y, abs=5)
    assert left >= 0
    assert top >= 0
    assert max(left, top) + side <= 1


def test_large_faces_are_cut_as_psp_cuts_them() -> None:
    images = torch.rand(2, 3, 256, 256)
    expected = torch.nn.functional.adaptive_avg_pool2d(images[:, :, 35:223, 32:220], 112)
    assert torch.equal(crop_face(images, face_box("ffhq")), expected)


def test_small_faces_are_enlarged_where_they_lie() -> None:
    ramp = torch.arange(64.0).expand(1, 3, 64, 64)  # each pixel holds its x
    left, _, side = face_box("celeba")
    centres = left * 64 + (torch.arange(112) + 0.5) * side * 64 / 112 - 0.5
    torch.testing.assert_close(crop_face(ramp, face_box("celeba"))[0, 0, 50], centres, rtol=0, atol=1e-3)


def test_faces_are_cut_alike_under_autocast() -> None:
    images = torch.rand(1, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        found = crop_face(images, face_box("celeba"))
    assert torch.equal(found, crop_face(images, face_box("celeba")))


def test_identity_of_arcface_and_sface(tmp_path) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    path = tmp_path / "model_ir_se50.pth"
    torch.save(ArcFace().state_dict(), path)
    a, b = torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1
    for network, loss in (("sface", load_identity()), ("arcface-ir-se50", load_identity(str(path), "celeba"))):
        assert loss.network == network
        torch.testing.assert_close(loss.embed(a).norm(dim=1), torch.ones(2))
        torch.testing.assert_close(loss(a, a), torch.zeros(2), rtol=0, atol=1e-6)
        assert ((loss(a, b) > 0) & (loss(a, b) <= 2)).all()
        assert not loss.train().training


def test_identity_gradient_matches_differences() -> None:
    torch.manual_seed(0)
    network = load_identity(alignment="celeba").recogniser.double()
    a, b = (torch.rand(1, 3, 112, 112).double() * 2 - 1 for _ in range(2))

    def loss(x: torch.Tensor) -> torch.Tensor:
        layers = network.linear(network.layers(x).flatten(1))
        return 1 - torch.nn.functional.cosine_similarity(layers, target)

    target = network.linear(network.layers(b).flatten(1)).detach()
    a.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(a).sum(), a)
    step = 1e-5 * gradient / gradient.norm()
    slope = (loss(a + step) - loss(a - step)).sum() / 2e-5
    assert slope.item() == pytest.approx(gradient.norm().item(), rel=1e-3)
