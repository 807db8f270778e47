"""Arrays and tensors of pictures.

Everywhere inside the package a picture array is uint8 RGB (H, W, 3), a picture tensor float RGB (N, 3, H, W) in
[-1, 1], and a mask is 1 where the hole is: uint8 (H, W) or float (N, 1, H, W).
"""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from faceinpaint.errors import InputError

Crop = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels


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


def decode_rgb(data: bytes) -> np.ndarray:
    """Encoded bytes -> uint8 RGB (H, W, 3), upright (EXIF orientation applied). Raises :class:`InputError`."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except UnidentifiedImageError:  # its message holds a memory address
        raise InputError("not a picture of a known format") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"not a readable picture: {error}") from None


def crop_to(picture: np.ndarray, size: int, crop: Crop | None = None) -> np.ndarray:
    """Cut ``crop`` (or the centre square) out of uint8 (H, W, 3) and resize it to (size, size, 3).

    Raises :class:`InputError` when the crop leaves the picture.
    """
    height, width = picture.shape[:2]
    if crop is None:
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        crop = (left, top, left + side, top + side)
    x0, y0, x1, y1 = crop
    if x1 > width or y1 > height:
        raise InputError(f"crop {x0},{y0},{x1},{y1} leaves a picture of {width}x{height}")
    cut = picture[y0:y1, x0:x1]
    if cut.shape[:2] == (size, size):
        return np.ascontiguousarray(cut)
    return np.asarray(Image.fromarray(cut).resize((size, size), Image.Resampling.LANCZOS))
