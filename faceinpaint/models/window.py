"""Windows: the parts of feature maps that a hole depends on.

Outside the hole the result is the input, so the last layers of both stages are needed in and around the hole alone.
A network that is given windows computes each map only where a later layer looks: the result inside them is the one of
the whole picture, since no pixel that counts is ever closer to a window's edge than its layers reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """Square windows of one size, one per sample, on square maps of one size.

    corner: (N, 2) integers, top and left, pixels of the map; side: of a window; map_side: of the map.
    """

    corner: Tensor
    side: int
    map_side: int

    @classmethod
    def whole(cls, samples: int, map_side: int, device: torch.device) -> Windows:
        """The whole maps."""
        return cls(torch.zeros(samples, 2, dtype=torch.long, device=device), map_side, map_side)

    @classmethod
    def around(cls, masks: Tensor, side: int) -> Windows:
        """Windows of ``side`` pixels that cover the holes of masks (N, 1, S, S); no hole may be larger."""
        map_side = masks.shape[-1]
        first = [masks.amax((1, dim)).argmax(1) for dim in (3, 2)]  # first row and column that the hole touches
        return cls(torch.stack(first, 1).clamp(max=map_side - side), side, map_side)

    @classmethod
    def at(cls, masks: Tensor, side: int, draws: Tensor) -> Windows:
        """Windows of ``side`` pixels on the middle of small holes of masks (N, 1, S, S), or on a part of larger ones.

        ``draws`` (N,) in [0, 1) chooses the part.
        """
        map_side = masks.shape[-1]
        corners = []
        for dim, draw in ((3, draws), (2, (draws.double() * 7919 % 1).float())):
            touched = masks.amax((1, dim))
            first, last = touched.argmax(1), map_side - touched.flip(1).argmax(1)
            room = last - first - side  # less than 0: the hole is smaller, and the window reaches beyond it
            corners.append(first + torch.where(room > 0, room * draw, room / 2).long())
        return cls(torch.stack(corners, 1).clamp(0, map_side - side), side, map_side)

    def grown(self, margin: int) -> Windows:
        """With ``margin`` pixels more on each side, as far as the map goes."""
        side = min(self.map_side, self.side + 2 * margin)
        return Windows((self.corner - margin).clamp(0, self.map_side - side), side, self.map_side)

    def shrunk(self, ratio: int) -> Windows:
        """The windows that these cover on a map ``ratio`` times smaller; pixels in part count."""
        map_side = self.map_side // ratio
        side = min(map_side, (self.side + 2 * (ratio - 1)) // ratio)
        return Windows((self.corner // ratio).clamp(0, map_side - side), side, map_side)

    def enlarged(self, ratio: int) -> Windows:
        """The same windows on a map ``ratio`` times larger."""
        return Windows(self.corner * ratio, self.side * ratio, self.map_side * ratio)

    def cut(self, x: Tensor, origin: Windows | None = None) -> Tensor:
        """These windows of ``x``, which covers the windows ``origin``, or the whole map: (N, C, side, side).

        ``x`` may be one map for all samples, (1, C, h, w).
        """
        if x.shape[2] == self.side:
            return x
        n, rows, columns = self._index(self.corner if origin is None else self.corner - origin.corner)
        n = n if len(x) > 1 else torch.zeros_like(n)
        return x[n, :, rows, columns].permute(0, 3, 1, 2)

    def paste(self, x: Tensor, onto: Tensor) -> Tensor:
        """``onto`` (N, C, S, S) with the windows replaced by ``x`` (N, C, side, side)."""
        if self.side == self.map_side:
            return x
        result = onto.clone()
        n, rows, columns = self._index(self.corner)
        result[n, :, rows, columns] = x.permute(0, 2, 3, 1)
        return result

    def _index(self, corner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sample, row and column of each pixel of windows at ``corner``, to index with."""
        steps = torch.arange(self.side, device=corner.device)
        n = torch.arange(len(corner), device=corner.device)[:, None, None]
        return n, (corner[:, :1] + steps)[:, :, None], (corner[:, 1:] + steps)[:, None, :]
