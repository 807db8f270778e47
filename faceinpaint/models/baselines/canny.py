"""Canny's edges (Canny 1986) as scikit-image finds them: what EdgeConnect's first network learns to draw."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

LUMINANCE = (0.2125, 0.7154, 0.0721)  # of red, green and blue: those of scikit-image's rgb2gray


def grey_of(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) in [-1, 1] -> their luminance (N, 1, H, W) in [0, 1]."""
    weights = pictures.new_tensor(LUMINANCE)[:, None, None]
    return ((pictures + 1) / 2 * weights).sum(1, keepdim=True)


@torch.no_grad()
def canny_edges(pictures: Tensor, sigma: float, holes: Tensor | None = None) -> Tensor:
    """Edges (N, 1, H, W), 1 on an edge and 0 elsewhere, of pictures (N, 3, H, W) in [-1, 1].

    ``sigma``: of the Gaussian filter, pixels (Nazeri 2019, section 4.1: 2 at 256 px). Thresholds are scikit-image's
    own, 0.1 and 0.2 of the grey range. ``holes`` (N, 1, H, W), 1 in the hole: what lies in it is not looked at.
    """
    from skimage.feature import canny

    greys = grey_of(pictures.float()).squeeze(1).cpu().numpy()
    known = [None] * len(greys) if holes is None else list(holes.squeeze(1).cpu().numpy() == 0)
    found = [canny(grey, sigma=sigma, mask=valid) for grey, valid in zip(greys, known, strict=True)]
    return torch.from_numpy(np.stack(found)[:, None]).to(pictures.device, pictures.dtype)
