"""The loss of appearance flow: does it point at what fits? (Ren 2019, section 3.2)"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from faceinpaint.models.baselines.gaussian_sampling import gaussian_sample


def sampling_correctness(truth: Tensor, source: Tensor, flow: Tensor, holes: Tensor) -> Tensor:
    """L_c = mean over the hole of exp(-mu(truth, sampled) / mu_max) (equations 7 and 8). Above 0.

    ``truth``, ``source``: features (N, C, h, w) of the true and of the damaged picture; ``flow`` (N, 2, H, W), cells of
    their size or of one near it; ``holes`` (N, 1, S, S), 1 in the hole. mu is the cosine between the true feature and
    the source's where the flow points, mu_max the largest with any of the source's features.
    """
    with torch.autocast(truth.device.type, enabled=False):
        truth, source = truth.float(), source.float()
        side = (truth.shape[2], truth.shape[3])
        flow, holes = F.adaptive_avg_pool2d(flow.float(), side), F.interpolate(holes, side).flatten(1)
        wanted = F.normalize(truth.flatten(2), dim=1, eps=1e-8)
        best = (F.normalize(source.flatten(2), dim=1, eps=1e-8).transpose(1, 2) @ wanted).amax(1)  # N, h w
        sampled = F.normalize(gaussian_sample(source, flow, 4, 2.0).flatten(2), dim=1, eps=1e-8)
        ratio = (sampled * wanted).sum(1) / (best + 1e-8)
        return (torch.exp(-ratio) * holes).sum() / (holes.sum() + 1e-8)
