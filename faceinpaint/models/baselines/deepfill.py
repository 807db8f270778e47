"""DeepFill v1 and v2: a coarse and a refinement network with contextual attention (Yu 2018 and Yu 2019).

Yu 2018, "Generative image inpainting with contextual attention", and Yu 2019, "Free-form image inpainting with gated
convolution". The two share one layout; layers, widths and rates are those of the authors' code
(github.com/JiahuiYu/generative_inpainting, branches v1.0.0 and v2.0.0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from faceinpaint.errors import InputError
from faceinpaint.models.baselines.contextual_attention import contextual_attention
from faceinpaint.models.state_dict import load_exactly, read_checkpoint, unfilled
from faceinpaint.tensors import composite

Gates = Literal["none", "full", "single"]
RATES = (2, 4, 8, 16)  # of the dilated convolutions


class DeepFill(nn.Module):
    """A coarse network paints the hole, a refinement network paints it again on top (Yu 2018, figure 2).

    ``width``: channels of the first layer (v1: 32; v2: 24, which its code writes as 48 before gating). ``gates``:
    "none" (v1), "full", a gate for each value (v2, equation 3 of Yu 2019), or "single", one for all channels of a
    position, which is lighter (Yi 2020, "Contextual residual aggregation", LWGC_sc). With gates, pictures end
    with tanh and the refinement sees the pasted picture alone, else they end with a clamp and it sees the mask too, as
    the authors' codes have it. ``rate``: see :func:`contextual_attention`.
    """

    def __init__(self, width: int = 32, gates: Gates = "none", rate: int = 2):
        super().__init__()
        self.gated, self.rate = gates != "none", rate
        w = [width, 2 * width, 4 * width]
        self.coarse = nn.Sequential(
            *_encoder(5, [w[0], w[1], w[1], w[2], w[2]], gates), *_dilated(w[2], gates), *_decoder(w[2], w, gates)
        )
        seen, widths = 3 if self.gated else 5, [w[0], w[0], w[1]]
        self.hallucination = nn.Sequential(*_encoder(seen, [*widths, w[1], w[2]], gates), *_dilated(w[2], gates))
        self.attending = nn.Sequential(
            *_encoder(seen, [*widths, w[2], w[2]], gates), Conv(w[2], w[2], gates=gates, activation=F.relu)
        )
        self.attended = nn.Sequential(Conv(w[2], w[2], gates=gates), Conv(w[2], w[2], gates=gates))
        self.refined = nn.Sequential(*_decoder(2 * w[2], w, gates))

    @classmethod
    def from_public(cls, path: str | Path) -> DeepFill:
        """The network of a public PyTorch file, whose keys are ours in another name and the same order.

        v1: ``gen_*.pt`` of github.com/daa233/generative-inpainting-pytorch; v2: ``states_pt_*.pth`` of
        github.com/nipponjo/deepfillv2-pytorch. Raises :class:`InputError` for absent, damaged, refused and other files.
        """
        content = read_checkpoint(path)
        second = isinstance(content.get("G"), Mapping)
        state = [value for key, value in (content["G"] if second else content).items() if "fuse_weight" not in str(key)]
        with unfilled():
            network = cls(24, "full") if second else cls()
        names = list(network.state_dict())
        if len(state) != len(names):
            raise InputError(f"{path} holds {len(state)} tensors, not the {len(names)} of DeepFill's generator")
        load_exactly(network, dict(zip(names, state, strict=True)), path)
        return network.eval()

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [-1, 1], masks (N, 1, S, S) with 1 in the hole -> restored pictures alike."""
        return composite(self.paint(images, masks)[1].to(images.dtype), images, masks)

    def paint(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """The whole pictures (N, 3, S, S) in [-1, 1] of both networks, not pasted. S is a multiple of 4 ``rate``."""
        marks = torch.cat([torch.ones_like(masks), masks], 1)  # the ones show where the picture ends
        coarse = self._picture(self.coarse(torch.cat([images * (1 - masks), marks], 1)))
        pasted = composite(coarse.to(images.dtype), images, masks)
        seen = pasted if self.gated else torch.cat([pasted, marks], 1)
        attended = self.attended(contextual_attention(self.attending(seen), masks, self.rate))
        return coarse, self._picture(self.refined(torch.cat([self.hallucination(seen), attended], 1)))

    def _picture(self, x: Tensor) -> Tensor:
        return x.tanh() if self.gated else x.clamp(-1, 1)


class Conv(nn.Module):
    """Convolution and activation, times sigmoid gates where there are any (Yu 2019, equation 3).

    (N, channels, H, W) -> (N, width, H / stride, W / stride). Features and gates read the same input: one convolution
    makes both, features first.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int = 3,
        stride: int = 1,
        rate: int = 1,
        gates: Gates = "none",
        activation: Callable[[Tensor], Tensor] = F.elu,
    ):
        super().__init__()
        self.width, self.activation = width, activation
        made = width + {"none": 0, "full": width, "single": 1}[gates]
        self.conv = nn.Conv2d(channels, made, kernel, stride, rate * (kernel // 2), rate)
        self._initialise(kernel**2 * channels, gated=gates != "none")

    def _initialise(self, fan_in: int, gated: bool) -> None:
        """Keep the scale of features from layer to layer: no normalisation corrects it later.

        ELU keeps about 0.65 of the variance, ELU and a half-open gate about a sixth.
        """
        feature, gate = self.conv.weight.data[: self.width], self.conv.weight.data[self.width :]
        nn.init.normal_(feature, std=math.sqrt((6 if gated else 1.55) / fan_in))
        if gated:
            nn.init.normal_(gate, std=math.sqrt(1 / fan_in))
        assert self.conv.bias is not None
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        feature, gate = self.activation(x[:, : self.width]), x[:, self.width :]
        return feature * gate.sigmoid() if gate.shape[1] else feature


def _encoder(channels: int, widths: list[int], gates: Gates) -> list[nn.Module]:
    """Five convolutions down to a quarter of the side."""
    layers: list[nn.Module] = []
    for width, kernel, stride in zip(widths, (5, 3, 3, 3, 3), (1, 2, 1, 2, 1), strict=True):
        layers.append(Conv(channels, width, kernel, stride, gates=gates))
        channels = width
    return layers


def _dilated(width: int, gates: Gates) -> list[nn.Module]:
    """A plain convolution and those that see far."""
    return [Conv(width, width, rate=rate, gates=gates) for rate in (1, *RATES)]


def _decoder(channels: int, w: list[int], gates: Gates) -> list[nn.Module]:
    """Two convolutions at a quarter of the side, then up to the picture; its last layer has no activation."""
    last = nn.Conv2d(w[0] // 2, 3, 3, padding=1)
    last.weight.data.mul_(0.5)  # start within [-1, 1]
    return [
        *(Conv(channels, w[2], gates=gates), Conv(w[2], w[2], gates=gates)),
        *(nn.Upsample(scale_factor=2), Conv(w[2], w[1], gates=gates), Conv(w[1], w[1], gates=gates)),
        *(nn.Upsample(scale_factor=2), Conv(w[1], w[0], gates=gates), Conv(w[0], w[0] // 2, gates=gates)),
        last,
    ]
