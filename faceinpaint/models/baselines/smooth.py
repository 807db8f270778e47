"""Structure without texture: relative total variation (Xu 2012, "Structure extraction from texture via relative total
variation"), which StructureFlow learns from (Ren 2019, section 3.1).

No package that we keep has it. Its linear systems are solved line by line (Min 2014, "Fast global image smoothing based
on weighted least squares"), which an exact solver takes several times as long for; the result is near (tested).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import get_lapack_funcs
from torch import Tensor
from torch.nn import functional as F

LEAST_WINDOWED = 0.001  # Xu 2012: epsilon of equation 8
LEAST_SCALE = 0.5  # of the window, pixels
SWEEPS = 3  # over rows and columns (Min 2014, section III-B)


@torch.no_grad()
def relative_total_variation(
    pictures: Tensor,
    holes: Tensor | None = None,
    *,
    strength: float = 0.015,
    scale: float = 3.0,
    sharpness: float = 0.001,
    rounds: int = 3,
) -> Tensor:
    """Edge-preserved smooth pictures (N, 3, H, W) in [-1, 1] of such pictures (Xu 2012, equation 5).

    ``strength`` is lambda, ``scale`` sigma (of the window in which opposite gradients cancel, pixels; halved in each
    round), ``sharpness`` epsilon_s; the values are those of StructureFlow's own tool, at 256 px. ``holes``
    (N, 1, H, W), 1 in the hole: nothing in the hole reaches the pixels outside. Computed on the CPU, in float32.
    """
    image = (pictures.detach().float().cpu() + 1) / 2
    known = torch.ones_like(image[:, :1]) if holes is None else 1 - holes.float().cpu()
    smooth = image
    with torch.autocast("cpu", enabled=False):
        for number in range(rounds):
            right, below = _links(smooth, known, max(scale / 2**number, LEAST_SCALE), sharpness)
            smooth = _smoothed(image, right * (strength / 2), below * (strength / 2))
    return (smooth * 2 - 1).to(pictures.device, pictures.dtype)


def _links(picture: Tensor, known: Tensor, scale: float, sharpness: float) -> tuple[Tensor, Tensor]:
    """How firmly a pixel holds its right and its lower neighbour, (N, 1, H, W): u w of equations 8 and 9.

    0 at the picture's end, and where either of the two is not known.
    """
    blurred = _blurred(picture * known, scale) / _blurred(known, scale).clamp(min=1e-6)
    both = known * F.pad(known[..., 1:], (0, 1)), known * F.pad(known[..., 1:, :], (0, 0, 0, 1))
    across, down = (step * pair for step, pair in zip(_steps(picture), both, strict=True))
    steepness = (across.square() + down.square()).sqrt().mean(1, keepdim=True).clamp(min=sharpness)
    windowed = [step.abs().mean(1, keepdim=True).clamp(min=LEAST_WINDOWED) for step in _steps(blurred)]
    return both[0] / (steepness * windowed[0]), both[1] / (steepness * windowed[1])


def _steps(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the right and to the lower neighbour, 0 at the end; each of the picture's shape."""
    return F.pad(picture[..., 1:] - picture[..., :-1], (0, 1)), F.pad(
        picture[..., 1:, :] - picture[..., :-1, :], (0, 0, 0, 1)
    )


def _blurred(picture: Tensor, sigma: float) -> Tensor:
    """Gaussian filter of 5 sigma, zeros beyond the border."""
    reach = round(5 * sigma) // 2
    places = torch.arange(-reach, reach + 1, device=picture.device, dtype=picture.dtype)
    kernel = torch.exp(-places.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(picture.shape[1], 1, 1, -1)
    rows = F.conv2d(picture, kernel, padding=(0, reach), groups=picture.shape[1])
    return F.conv2d(rows, kernel.transpose(2, 3), padding=(reach, 0), groups=picture.shape[1])


def _smoothed(image: Tensor, right: Tensor, below: Tensor) -> Tensor:
    """About x with (I + L) x = ``image`` (N, 3, H, W); L: the Laplacian of the links (N, 1, H, W).

    Rows and columns in turn, with links that shrink from sweep to sweep (Min 2014, equation 12).
    """
    rows = np.ascontiguousarray(image.transpose(0, 1))  # a system has one kernel and a right side for each colour
    across, down = right[:, 0].numpy(), below[:, 0].transpose(1, 2).numpy()
    for sweep in range(1, SWEEPS + 1):
        share = np.float32(1.5 * 4 ** (SWEEPS - sweep) / (4**SWEEPS - 1))
        columns = np.ascontiguousarray(lines_solved(rows, across * share).swapaxes(2, 3))
        rows = np.ascontiguousarray(lines_solved(columns, down * share).swapaxes(2, 3))
    return torch.from_numpy(rows).transpose(0, 1)


def lines_solved(values: np.ndarray, links: np.ndarray) -> np.ndarray:
    """Each line x with x_i + l_i (x_i - x_i+1) + l_i-1 (x_i - x_i-1) = v_i: one tridiagonal system of all lines.

    ``values`` (C, N, lines, length) and ``links`` (N, lines, length), each to the next of its line and 0 at the end,
    float32 -> like ``values``.
    """
    (solve,) = get_lapack_funcs(("ptsv",), (values,))
    below = -links.ravel()
    diagonal = 1 - below
    diagonal[1:] -= below[:-1]
    *_, solution, info = solve(diagonal, below[:-1], values.reshape(len(values), -1).T)
    assert info == 0, "links are at least 0: the system is positive definite"
    return solution.T.reshape(values.shape)
