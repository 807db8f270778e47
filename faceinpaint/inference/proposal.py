"""From a map of probabilities to a proposed hole: what is marked, how sure that is, and when nothing is marked.

A wrong proposal costs more than a missed one, as nobody may look again: parts of the map that are sure nowhere are left
out, and so is a picture that would be damaged nearly all over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Verdict = Literal["damaged", "clean", "unsure"]
SEED = 0.9  # probability that a part's surest region needs
EXTENT = 0.5  # probability from which on a pixel belongs to a part
LEAST_AREA = 4  # pixels of a part
MOST_DAMAGE = 0.7  # share of a picture beyond which the detector is taken to be lost
REST = 0.05  # probability below which nothing is suspected


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How much is marked.

    seed, extent: probabilities, see above; grow: pixels by which parts are widened, for the soft edge of damage.
    """

    seed: float = SEED
    extent: float = EXTENT
    grow: int = 1

    @classmethod
    def of_sensitivity(cls, sensitivity: float) -> Rules:
        """0 marks least, 0.5 is the measured balance, 1 marks most: both thresholds move on the scale of log-odds."""
        shift = np.exp(6 * (0.5 - sensitivity))
        seed, extent = (float(p / (1 - p) * shift) for p in (SEED, EXTENT))
        return cls(seed=seed / (1 + seed), extent=extent / (1 + extent))


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

    The confidence of damage is that of its least sure part; of a clean picture, that of its most suspicious pixels.
    """
    rules = rules or Rules()
    labels, scores = scored_parts(probability, rules.extent)
    sure = scores >= rules.seed
    suspicion = float(scores.max(initial=0.0))
    empty = np.zeros(probability.shape, np.uint8)
    if not sure.any():
        if suspicion <= rules.extent:
            highest = float(cv2.blur(probability, (3, 3)).max())
            return Proposal(hole=empty, verdict="clean", confidence=1 - max(highest, REST))
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


def scored_parts(probability: np.ndarray, extent: float) -> tuple[np.ndarray, np.ndarray]:
    """Connected parts of a map above ``extent``: labels int32 (H, W), 0 outside; and each part's score (n,).

    A part's score is its highest mean probability over 3 x 3 pixels; parts below LEAST_AREA score 0.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((probability >= extent).astype(np.uint8), connectivity=8)
    inside = np.flatnonzero(labels)
    parts = np.asarray(labels, np.int64).ravel()[inside]
    scores = np.zeros(count, np.float32)
    np.maximum.at(scores, parts, cv2.blur(probability, (3, 3)).ravel()[inside])
    scores[stats[:, cv2.CC_STAT_AREA] < LEAST_AREA] = 0
    return labels, scores[1:]
