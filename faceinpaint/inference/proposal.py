"""From a map of probabilities to a proposed hole: what is marked, how sure that is, and when nothing is marked.

A wrong proposal costs more than a missed one, as nobody may look again: parts of the map that are not sure throughout
are left out, and so is a picture that would be damaged nearly all over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Verdict = Literal["damaged", "clean", "unsure"]
SEED = 0.96  # mean probability that a part needs; 98 % of clean held-out faces have none above it
THIN_SEED = 0.9  # the same of a thin part, which is mostly edge, where probabilities fall
THIN = 4.0  # pixels of a part's largest radius, below which it is thin
SUSPECT = 0.8  # mean probability from which on a part is worth a person's look
EXTENT = 0.5  # probability from which on a pixel belongs to a part
LEAST_AREA = 4  # pixels of a part
MOST_DAMAGE = 0.7  # share of a picture beyond which the detector is taken to be lost


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How much is marked.

    seed, thin_seed, extent: probabilities, see above; grow: pixels by which parts are widened, for damage's soft edge.
    """

    seed: float = SEED
    thin_seed: float = THIN_SEED
    extent: float = EXTENT
    grow: int = 1

    @classmethod
    def of_sensitivity(cls, sensitivity: float) -> Rules:
        """0 marks least, 0.5 is the measured balance, 1 marks most: the thresholds move on the scale of log-odds."""
        odds = [p / (1 - p) * float(np.exp(6 * (0.5 - sensitivity))) for p in (SEED, THIN_SEED, EXTENT)]
        seed, thin_seed, extent = (each / (1 + each) for each in odds)
        return cls(seed=seed, thin_seed=thin_seed, extent=extent)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What is proposed for a picture.

    hole: uint8 (H, W), 1 where the picture is taken to be damaged; verdict: "unsure" and "clean" have an empty hole;
    confidence: how sure the verdict is, 0 to 1; parts: proposed regions; reason: why nothing was proposed.
    """

    hole: np.ndarray
    verdict: Verdict
    confidence: float
    parts: int = 0
    reason: str | None = None


def propose(probability: np.ndarray, rules: Rules | None = None) -> Proposal:
    """Probabilities of damage float32 (H, W) -> what to propose.

    The confidence of damage is that of its least sure part; of a clean picture, that of its most suspicious part.
    """
    rules = rules or Rules()
    labels, scores, radii = scored_parts(probability, rules.extent)
    sure = scores >= np.where(radii < THIN, rules.thin_seed, rules.seed)
    suspicion = float(scores.max(initial=0.0))
    empty = np.zeros(probability.shape, np.uint8)
    if not sure.any():
        if suspicion < min(SUSPECT, rules.seed):
            return Proposal(hole=empty, verdict="clean", confidence=1 - suspicion)
        reason = f"suspected at {suspicion:.2f}, below the {rules.seed:.2f} that a proposal needs"
        return Proposal(hole=empty, verdict="unsure", confidence=1 - suspicion, reason=reason)
    hole = np.concatenate([[False], sure])[labels].astype(np.uint8)
    if rules.grow:
        side = 2 * rules.grow + 1
        hole = cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    ratio = float(hole.mean())
    if ratio > MOST_DAMAGE:
        reason = f"{ratio:.0%} of the picture looks damaged: too much to be true"
        return Proposal(hole=empty, verdict="unsure", confidence=0.0, reason=reason)
    return Proposal(hole=hole, verdict="damaged", confidence=float(scores[sure].min()), parts=int(sure.sum()))


def scored_parts(probability: np.ndarray, extent: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Connected parts of a map above ``extent``: labels int32 (H, W), 0 outside; their scores (n,) and radii (n,).

    A part's score is its mean probability; parts below LEAST_AREA score 0. Its radius is that of the largest circle
    inside, pixels.
    """
    above = (probability >= extent).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    inside = np.flatnonzero(above)
    parts = np.asarray(labels, np.int64).ravel()[inside]
    areas = stats[:, cv2.CC_STAT_AREA]
    scores = np.bincount(parts, probability.ravel()[inside], count) / np.maximum(areas, 1)
    scores[areas < LEAST_AREA] = 0
    radii = np.zeros(count)
    padded = cv2.copyMakeBorder(above, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    np.maximum.at(radii, parts, depth.ravel()[inside])
    return labels, scores[1:], radii[1:]
