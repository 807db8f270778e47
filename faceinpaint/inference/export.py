"""A trained method as an ONNX file, for programs without torch."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from faceinpaint.errors import InputError
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.storage import check_writable, write_bytes

OPSET = 18
LARGEST_ERROR = 1e-3  # of the file's pictures in [-1, 1] against torch's
BEYOND_ONNX = {
    "latent-optimisation": "searches by gradients",
    "edgeconnect": "finds edges by scikit-image",
    "structureflow": "solves linear systems by LAPACK",
}
PACKAGES = "pip install 'faceinpaint[export]'"


class Restoration(nn.Module):
    """What the file computes: ``image``, ``mask`` -> ``restored``. Outside the hole it is the input, bit for bit."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """image (N, 3, S, S) in [-1, 1], mask (N, 1, S, S), 1 in the hole, else 0 -> (N, 3, S, S), clamped."""
        return self.model(image, mask).clamp(-1, 1)


def export_onnx(weights: str | None, output: str, method: str = "two-stage") -> float:
    """Write a method of a weights folder as one ONNX file, in fp32, for any number of pictures at once.

    Inputs ``image``, float32 (n, 3, S, S) in [-1, 1], and ``mask``, float32 (n, 1, S, S), 1 in the hole; output
    ``restored`` like ``image``. Metadata: method, image_size, alignment, model_sha256. Returns the largest difference
    between onnxruntime's pictures and torch's on seeded noise, which is at most LARGEST_ERROR.

    Raises :class:`InputError` when a package is missing, or as :meth:`Inpainter.load` does.
    """
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as missing:
        raise InputError(f"export needs the package {missing.name}: {PACKAGES}") from None
    if method in BEYOND_ONNX:
        raise InputError(f"method {method} {BEYOND_ONNX[method]}, which an ONNX file cannot: choose another")
    inpainter = Inpainter.load(weights, method, device="cpu")
    check_writable(output.rpartition("/")[0] or ".")
    model = Restoration(inpainter.model).eval()
    graph = _traced(model, _samples(2, inpainter.image_size))
    facts = {
        "method": method,
        "image_size": str(inpainter.image_size),
        "alignment": inpainter.config.alignment,
        "model_sha256": inpainter.model_sha256,
    }
    onnx.helper.set_model_props(graph, facts)
    data = graph.SerializeToString()
    error = _largest_error(data, model, _samples(3, inpainter.image_size))
    if error > LARGEST_ERROR:
        raise RuntimeError(f"the exported graph is off by {error:.2g}: not written")
    write_bytes(output, data)
    return error


def _samples(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Seeded noise and holes of several sizes: (count, 3, size, size), (count, 1, size, size)."""
    generator = torch.Generator().manual_seed(count)
    masks = torch.zeros(count, 1, size, size)
    for i in range(count):
        masks[i, :, size // 4 : size // 2 + i, size // 8 : size // 2] = 1
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1, masks


def _traced(model: nn.Module, samples: tuple[Tensor, Tensor]) -> onnx.ModelProto:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter's own packages
        program = torch.onnx.export(
            model,
            samples,
            input_names=["image", "mask"],
            output_names=["restored"],
            dynamic_shapes={"image": {0: "pictures"}, "mask": {0: "pictures"}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _largest_error(data: bytes, model: nn.Module, samples: tuple[Tensor, Tensor]) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    image, mask = (each.numpy() for each in samples)
    (found,) = session.run(["restored"], {"image": image, "mask": mask})
    with torch.inference_mode():
        expected = model(*samples).numpy()
    return float(np.abs(found - expected).max())
