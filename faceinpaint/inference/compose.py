"""The restored picture: painted patches, fills and thin holes put together, each as sharp as the photograph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from faceinpaint.data.faces import Alignment
from faceinpaint.data.routing import Patch, Routes, cut
from faceinpaint.inference.detail import carry_detail
from faceinpaint.inference.edges import from_edges
from faceinpaint.inference.grain import carry_grain
from faceinpaint.inference.guide import Guide, guide_from_pixels
from faceinpaint.inference.paste import paste
from faceinpaint.inference.symmetry import Twin, find_twins, mirror_eyes

PART_MARGIN = 128  # pixels of surroundings that filling any hole sees beyond its patch, at most
FILL_MARGIN = 16  # pixels of surroundings a classical fill sees
EYED = ("aligned", "face")  # kinds of patches with eyes where the alignment has them
CELLS = 16  # on a side of a patch, to look for likenesses in


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the holes of a picture are filled.

    patches: parts for the model, with ``crops`` uint8 (P, S, S, 3) and ``holes`` uint8 (P, S, S), 1 in the hole; fills:
    parts without a face, filled by Telea's method; routes: what was found, thin holes among it; twins: by patch, its
    eyes that are taken from their twins, once the model has painted.
    """

    patches: list[Patch] = field(default_factory=list)
    fills: list[Patch] = field(default_factory=list)
    routes: Routes = field(default_factory=Routes)
    crops: np.ndarray | None = None
    holes: np.ndarray | None = None
    twins: list[list[Twin]] = field(default_factory=list)

    @property
    def without_face(self) -> int:
        """Holes that lie on no face."""
        return len(self.fills) + sum(patch.kind == "none" for patch in self.patches) + self.routes.thin_apart

    def described(self) -> str:
        """The routes and how many holes took each, such as ``edges 12, face 1``."""
        counts = Counter(telea=len(self.fills), edges=self.routes.thin + self.routes.thin_apart)
        counts["mirrored-eye"] = sum(map(len, self.twins))
        for patch in self.patches:
            holes, slender = patch.slender()
            counts["both"] += int(slender.sum())
            counts[patch.kind if patch.kind != "none" else "surroundings"] += len(holes) - int(slender.sum())
        return ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()) if count)

    def reach(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Box x0, y0, x1, y1 of what filling the holes of a picture looks at.

        Its corner lies where all whole factors that a fill shrinks the picture by divide, so that it is shrunk as the
        whole picture would be.
        """
        boxes = [patch.footprint() for patch in self.patches + self.fills]
        y, x = self.routes.thin_y, self.routes.thin_x
        if len(y):
            boxes.append((int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1))
        x0, y0, x1, y1 = (pick(side) for pick, side in zip((min, min, max, max), zip(*boxes, strict=True), strict=True))
        beyond = max(0, -x0, -y0, x1 - width, y1 - height)  # is mirrored
        margin, step = PART_MARGIN + beyond, math.lcm(*(max(1, int(1 / patch.scale)) for patch in self.fills))
        left, top = (max(0, corner - margin) // step * step for corner in (x0, y0))
        return left, top, min(width, x1 + margin), min(height, y1 + margin)

    def moved(self, left: int, top: int) -> Plan:
        """The plan for a part of its picture that begins at (left, top)."""
        routes = replace(self.routes, thin_y=self.routes.thin_y - top, thin_x=self.routes.thin_x - left)
        patches, fills = ([patch.moved(left, top) for patch in kind] for kind in (self.patches, self.fills))
        return replace(self, patches=patches, fills=fills, routes=routes)

    def with_twins(self, painted: np.ndarray, alignment: Alignment) -> Plan:
        """The plan with the eyes that are mirrored; ``painted``: what the model made of ``crops``."""
        if self.crops is None or self.holes is None:
            return self
        twins: list[list[Twin]] = [[] for _ in self.patches]
        for i, patch in enumerate(self.patches):
            if patch.kind in EYED:
                twins[i] = find_twins(self.crops[i], self.holes[i], painted[i], alignment)
        return replace(self, twins=twins)

    def mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """The holes of a picture of ``shape``: uint8 (H, W), 1 in the hole."""
        mask = np.zeros(shape[:2], np.uint8)
        for patch in self.patches + self.fills:
            _part(mask, patch)[:] |= patch.hole
        mask[self.routes.thin_y, self.routes.thin_x] = 1
        return mask


def plan_for(picture: np.ndarray, hole: np.ndarray, routes: Routes, classical: bool = False) -> Plan:
    """The plan that follows ``routes``, with the crops of picture uint8 (H, W, 3) and hole uint8 (H, W).

    ``classical``: wide holes without a face are filled from their edges; otherwise the model sees their surroundings.
    """
    fills = [patch for patch in routes.patches if classical and patch.kind == "none"]
    patches = [patch for patch in routes.patches if not (classical and patch.kind == "none")]
    plan = Plan(patches=patches, fills=fills, routes=replace(routes, patches=[]))
    if not patches:
        return plan
    crops, holes = zip(*(cut(picture, hole, patch) for patch in patches), strict=True)
    return replace(plan, crops=np.stack(crops), holes=np.stack(holes))


def compose(
    before: np.ndarray,
    hole: np.ndarray,
    plan: Plan,
    painted: np.ndarray | None = None,
    guides: Sequence[Guide | None] | None = None,
) -> np.ndarray:
    """``before`` uint8 (H, W, 3) with its ``hole`` uint8 (H, W) filled as planned; outside the hole it is ``before``.

    painted: what the model made of ``plan.crops``, uint8 (P, S, S, 3); guides: its attention (P,), where it is known.
    Faces come first, thin holes last; none looks at damage that another has yet to fill.
    """
    after, damage = before.copy(), hole.copy()
    for i, patch in enumerate(plan.patches):
        assert painted is not None
        paste(after, painted[i], patch, damage)
        _part(damage, patch)[:] -= patch.hole
    for patch in plan.fills:
        _fill(after, patch, damage)
        _part(damage, patch)[:] -= patch.hole
    _bring_edges_in(after, plan)
    for i, patch in enumerate(plan.patches):
        if patch.scale < 1 and painted is not None and plan.holes is not None:
            guide = guides[i] if guides else None
            carry_detail(after, patch, hole, guide or guide_from_pixels(painted[i], plan.holes[i], CELLS))
    for patch in plan.fills:
        carry_detail(after, patch, hole, guide_from_pixels(*cut(after, hole, patch), CELLS))
    for patch, twins in zip(plan.patches, plan.twins, strict=False):  # none before the model has painted
        mirror_eyes(after, patch, twins, before, hole)
    thin = plan.routes
    carry_grain(after, thin.thin_y, thin.thin_x, thin.thin_radius, hole)
    return after


def _bring_edges_in(picture: np.ndarray, plan: Plan) -> None:
    """Fill thin holes from their edges, and slender ones half from their edges and half as they are, in place."""
    places = [(plan.routes.thin_y, plan.routes.thin_x)]
    for patch in plan.patches:
        holes, slender = patch.slender()
        chosen = slender[holes.label]
        places.append((holes.y[chosen] + patch.box[1] - 1, holes.x[chosen] + patch.box[0] - 1))
    y, x = (np.concatenate(part).astype(np.int64) for part in zip(*places, strict=True))
    share = np.where(np.arange(len(y)) < len(plan.routes.thin_y), 1.0, 0.5)
    order = np.lexsort((x, y))
    y, x, share = y[order], x[order], share[order, None]
    mixed = share * from_edges(picture, y, x) + (1 - share) * picture[y, x]
    picture[y, x] = np.rint(mixed).astype(np.uint8)


def _part(mask: np.ndarray, patch: Patch) -> np.ndarray:
    x0, y0, x1, y1 = patch.box
    return mask[y0:y1, x0:x1]


def _fill(picture: np.ndarray, patch: Patch, damage: np.ndarray) -> None:
    """Fill the patch's hole from its edges in place (Telea 2004); ``damage``: uint8 (H, W), 1 where not valid."""
    x0, y0, x1, y1 = patch.box
    top, left = max(0, y0 - FILL_MARGIN), max(0, x0 - FILL_MARGIN)
    area = (slice(top, y1 + FILL_MARGIN), slice(left, x1 + FILL_MARGIN))
    filled = cv2.inpaint(np.ascontiguousarray(picture[area]), damage[area], 3, cv2.INPAINT_TELEA)
    picture[y0:y1, x0:x1][patch.hole > 0] = filled[y0 - top : y1 - top, x0 - left : x1 - left][patch.hole > 0]
