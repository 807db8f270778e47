"""SPG-Net: labels first, then colours (Song 2018, "SPG-Net: segmentation prediction and guidance network for image
inpainting"). Its authors published no code.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.models.baselines.restorer import Restorer

CLASSES = 19  # of CelebAMask-HQ
DILATIONS = (1, 1, 1, 2, 2, 4, 4, 8, 8)  # of the residual blocks (section 3.1); not yet checked against the paper


class SPGNet(Restorer):
    """A segmentation prediction network (SP-Net) and a segmentation guidance network (SG-Net).

    The paper's SP-Net gets the labels outside the hole from a segmentation network that was trained before. Nobody
    gives labels to a photograph here, so SP-Net is that network too: it learns with labels outside the hole and without
    any, and restoring asks it twice. First without labels; then its own labels outside the hole are what it is given to
    predict those in the hole. Ours as well: both networks see the mask.

    ``classes``: of labels; ``width``: channels of the first layer (the paper: 64), doubled at each of ``halvings``
    (the paper: 4, for 256 px).
    """

    def __init__(self, classes: int = CLASSES, width: int = 64, halvings: int = 4):
        super().__init__()
        self.classes = classes
        self.prediction = DilatedGenerator(3 + classes + 1, classes, width, halvings)
        self.guidance = DilatedGenerator(3 + classes + 1, 3, width, halvings)

    def paint(self, images: Tensor, masks: Tensor) -> Tensor:
        """The network's whole picture (N, 3, S, S), not pasted into the hole. S is a multiple of 2^halvings."""
        return self.guided(images, masks, self.labelled(images, masks))

    def labelled(self, images: Tensor, masks: Tensor) -> Tensor:
        """Probabilities of labels (N, classes, S, S) of a picture that comes without any: SP-Net, asked twice."""
        own = self.predicted(images, masks, None).argmax(1)
        return self.predicted(images, masks, one_hot(own, self.classes)).softmax(1)

    def predicted(self, images: Tensor, masks: Tensor, labels: Tensor | None) -> Tensor:
        """SP-Net's logits (N, classes, S, S).

        Of ``images`` and ``labels``, one-hot (N, classes, S, S) or all 0 where there are none, only what lies outside
        the hole is seen.
        """
        known = 1 - masks
        given = masks.new_zeros(len(masks), self.classes, *masks.shape[2:]) if labels is None else labels * known
        return self.prediction(torch.cat([images * known, given, masks], 1))

    def guided(self, images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
        """SG-Net's picture (N, 3, S, S) in [-1, 1] that follows ``labels``, probabilities (N, classes, S, S)."""
        return torch.tanh(self.guidance(torch.cat([images * (1 - masks), labels.to(images.dtype), masks], 1)))


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Class numbers (N, H, W) -> float (N, classes, H, W), 1 in each pixel's class."""
    return F.one_hot(labels, classes).permute(0, 3, 1, 2).float()


class DilatedGenerator(nn.Module):
    """Halvings, residual blocks of growing dilation, doublings (section 3.1).

    (N, inputs, S, S) -> (N, outputs, S, S), before the last activation. Kernels are 7 x 7 at both ends and 3 x 3
    between; batch norm and ReLU follow each but the last.
    """

    def __init__(self, inputs: int, outputs: int, width: int, halvings: int, dilations: Sequence[int] = DILATIONS):
        super().__init__()
        w = [width * 2**i for i in range(halvings)]
        down = [nn.ReflectionPad2d(3), *_normed(nn.Conv2d(inputs, w[0], 7, 2))]
        for before, after in itertools.pairwise(w):
            down += _normed(nn.Conv2d(before, after, 3, 2, 1))
        up: list[nn.Module] = []
        for before, after in zip([w[-1], *w[::-1]], w[::-1], strict=False):
            up += _normed(nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1))
        self.down = nn.Sequential(*down)
        self.bottle_neck = nn.Sequential(*(_Residual(w[-1], dilation) for dilation in dilations))
        self.up = nn.Sequential(*up)
        self.out = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.up(self.bottle_neck(self.down(x))))


class _Residual(nn.Module):
    def __init__(self, width: int, dilation: int):
        super().__init__()
        conv = lambda: nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)  # noqa: E731
        self.conv_block = nn.Sequential(*_normed(conv()), conv(), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


def _normed(conv: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()]
