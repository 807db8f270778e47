"""Perceptual losses: LPIPS (Zhang 2018; the paper, section 3.2) and plain features (section 4.4).

With torchvision's ImageNet weights in torch's hub cache, LPIPS is that of the ``lpips`` package. Without them the
shift-tolerant ST-LPIPS (Ghildyal 2022) stands in, whose weights ship in ``stlpips-pytorch``: another metric with other
numbers, so ``backbone`` names what was used and belongs next to every figure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.models.state_dict import load_exactly, read_checkpoint
from faceinpaint.names import Backbone

TORCHVISION_FILES = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}
FEATURE_SLICES = 3  # AlexNet relu1-3; VGG16 relu1_2, relu2_2, relu3_3


class Frozen(nn.Module):
    """Constant weights, always in evaluation mode; gradients flow to the pictures alone.

    Attributes: ``backbone``, the name of what computes the distance.
    """

    def __init__(self, backbone: str, **parts: nn.Module):
        super().__init__()
        self.backbone = backbone
        for name, part in parts.items():
            self.add_module(name, part)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Frozen:
        return super().train(False)


class PerceptualDistance(Frozen):
    """LPIPS or ST-LPIPS."""

    distance: nn.Module

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [-1, 1], 32 px and more -> (N,), at least 0, rarely over 1; 0 at equality."""
        return self.distance(a, b).flatten()

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Features (N, C, h, w) of each of the five slices of the network, fine to coarse."""
        network: Any = self.distance
        slices = [getattr(network.net, f"slice{i + 1}") for i in range(5)]
        return run_slices(slices, network.scaling_layer(pictures))


class FeatureLoss(Frozen):
    """Mean squared error of the features of the first slices of a network, averaged over slices."""

    scaling: nn.Module
    slices: nn.Sequential

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [-1, 1] -> (N,), at least 0 without upper bound, 0 at equality."""
        features = zip(self.maps(a), self.maps(b), strict=True)
        return torch.stack([(at_least_fp32(x) - at_least_fp32(y)).square().mean((1, 2, 3)) for x, y in features]).mean(
            0
        )

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Features (N, C, H, W) of each slice."""
        return run_slices(self.slices, self.scaling(pictures))


def load_perceptual(backbone: Backbone = "alex") -> PerceptualDistance:
    """LPIPS when its backbone's weights are in the hub cache ("lpips-alex"), else ST-LPIPS ("st-lpips-alex")."""
    if torchvision_file(backbone).is_file():
        return PerceptualDistance(f"lpips-{backbone}", distance=_lpips(backbone))
    return PerceptualDistance(f"st-lpips-{backbone}", distance=shift_tolerant(backbone))


def load_features(backbone: Backbone = "vgg") -> FeatureLoss:
    """Features of torchvision's network when in the hub cache ("vgg16"), else of ST-LPIPS's ("st-lpips-vgg")."""
    cached = torchvision_file(backbone).is_file()
    network: Any = _lpips(backbone) if cached else shift_tolerant(backbone)
    slices = nn.Sequential(*(getattr(network.net, f"slice{i + 1}") for i in range(FEATURE_SLICES)))
    name = {"alex": "alexnet", "vgg": "vgg16"}[backbone] if cached else f"st-lpips-{backbone}"
    return FeatureLoss(name, scaling=network.scaling_layer, slices=slices)


def torchvision_file(backbone: Backbone) -> Path:
    """Where torch's hub cache holds (or would hold) the backbone's ImageNet weights."""
    return Path(torch.hub.get_dir()) / "checkpoints" / TORCHVISION_FILES[backbone]


def _lpips(backbone: Backbone) -> Any:
    """The ``lpips`` package's module on the cached backbone, which is read here so that no pickle can run code."""
    import lpips

    path = torchvision_file(backbone)
    network = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)
    # torchvision's features.<i>.weight is the package's slice<k>.<i>.weight.
    stored = {key.removeprefix("features."): value for key, value in read_checkpoint(path).items()}
    keys = {key: key.partition(".")[2] for key in network.net.state_dict()}
    load_exactly(network.net, {key: stored[short] for key, short in keys.items() if short in stored}, path)
    return network


class ShiftTolerantLPIPS(nn.Module):
    """ST-LPIPS: unit-normalised features of five slices, squared differences weighted per channel, averaged."""

    def __init__(self, slices: Sequence[OrderedDict[str, nn.Module]], channels: Sequence[int]):
        super().__init__()
        self.scaling_layer = Scaling()
        self.net = nn.Module()
        for i, layers in enumerate(slices):
            self.net.add_module(f"slice{i + 1}", nn.Sequential(layers))
        for i, width in enumerate(channels):
            self.add_module(f"lin{i}", _Head(width))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        slices = list(self.net.children())
        pairs = zip(run_slices(slices, self.scaling_layer(a)), run_slices(slices, self.scaling_layer(b)), strict=True)
        heads = (getattr(self, f"lin{i}") for i in range(len(slices)))
        terms = [head((unit(x) - unit(y)).square()) for head, (x, y) in zip(heads, pairs, strict=True)]
        return torch.stack([term.mean((1, 2, 3)) for term in terms]).sum(0)


class Scaling(nn.Module):
    """[-1, 1] to ImageNet's mean and deviation."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


class BlurredStride(nn.Module):
    """Every second pixel of a blurred map: reflection padding by 2, the stored 3x3 filter on each channel."""

    filt: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("filt", torch.zeros(channels, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), self.filt.to(x.dtype), stride=2, groups=x.shape[1])


class _Head(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def run_slices(slices: Sequence[nn.Module] | nn.Sequential, x: Tensor) -> list[Tensor]:
    """The output of each slice, one feeding the next."""
    outputs = []
    for part in slices:
        x = part(x)
        outputs.append(x)
    return outputs


def unit(x: Tensor) -> Tensor:
    """Features (N, C, H, W) over their norm; the floor keeps the gradient finite where all are zero."""
    x = at_least_fp32(x)
    return x / (x.square().sum(1, keepdim=True).clamp_min(1e-20).sqrt() + 1e-10)


def at_least_fp32(x: Tensor) -> Tensor:
    """Half precision is enough for convolutions, not for sums of small squares."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def shift_tolerant(backbone: Backbone) -> ShiftTolerantLPIPS:
    """ST-LPIPS with the weights in the ``stlpips-pytorch`` package, which is read, not imported."""
    spec = util.find_spec("stlpips_pytorch")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "weights" / "vST0.0" / f"{backbone}_shift_tolerant.pth"
    layers, ends, channels = (_alexnet if backbone == "alex" else _vgg16)()
    named = [(str(i), layer) for i, layer in enumerate(layers)]
    slices = [OrderedDict(named[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    network = ShiftTolerantLPIPS(slices, channels)
    load_exactly(network, read_checkpoint(path), path)
    return network


Layers = tuple[list[nn.Module], list[int], list[int]]  # layers, end of each slice, channels of each slice


def _alexnet() -> Layers:
    layers = [
        nn.Conv2d(3, 64, 11, padding=2), BlurredStride(64), nn.ReLU(),
        nn.MaxPool2d(3, 1), BlurredStride(64), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(3, 1), BlurredStride(192), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    ]  # fmt: skip
    return layers, [3, 7, 11, 13, 15], [64, 192, 384, 256, 256]


def _vgg16() -> Layers:
    layers: list[nn.Module] = []
    ends, channels, before = [], [64, 128, 256, 512, 512], 3
    for width, convolutions in zip(channels, (2, 2, 3, 3, 3), strict=True):
        if layers:
            layers += [nn.MaxPool2d(2, 1), BlurredStride(before)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        ends.append(len(layers))
    return layers, ends, channels
