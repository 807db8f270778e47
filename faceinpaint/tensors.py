"""Tensors of pictures, apart from their arrays: processes that only decode and encode need not import torch.

Everywhere inside the package a picture tensor is float RGB (N, 3, H, W) in [-1, 1], a mask float (N, 1, H, W), 1 in the
hole.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_float(pictures: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W) in [-1, 1]."""
    tensor = torch.from_numpy(np.require(pictures, requirements=["C", "W"])).permute(0, 3, 1, 2)
    return tensor.to(torch.float32).div_(127.5).sub_(1)


def to_uint8(pictures: Tensor) -> np.ndarray:
    """Float (N, 3, H, W) in [-1, 1] (clamped, rounded to nearest) -> uint8 (N, H, W, 3)."""
    levels = pictures.detach().float().add(1).mul(127.5).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def mask_to_float(masks: np.ndarray) -> Tensor:
    """uint8 (N, H, W), 1 in the hole -> float32 (N, 1, H, W)."""
    return torch.from_numpy(np.require(masks, requirements=["C", "W"])).unsqueeze(1).float()


def composite(picture: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """``picture`` in the hole, ``image`` outside it: I_out * mask + I_in * (1 - mask), exact outside the hole."""
    return torch.where(mask > 0, picture, image)
