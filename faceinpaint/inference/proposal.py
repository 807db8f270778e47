"""From a map of probabilities to a proposed hole: what is marked, how sure that is, and when nothing is marked.

A wrong proposal costs more than a missed one, as nobody may look again: parts of the map without enough evidence are
left out, and so is a picture that would be damaged nearly all over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from faceinpaint.data.components import labelled
from faceinpaint.inference.completion import completed

Verdict = Literal["damaged", "clean", "unsure"]
# SEED and EXTENT come from study.detector_rules, on faces and shapes that docs/review.md's figures do not use.
SEED = 5.4  # evidence that a part needs, log-odds: about 99 % of clean faces have no part above it
EXTENT = 0.7  # probability from which on a pixel belongs to a part
SUSPECT = 3.0  # evidence from which on a part is worth a person's look
EVIDENCE = 64  # pixels whose certainty makes a part's evidence
MOST_ODDS = 12.0  # log-odds of one pixel at most: no single one convinces
MOST_DAMAGE = 0.7  # share of a picture beyond which the detector is taken to be lost
# Log-odds by which the thresholds move from one end of the sensitivity to the other.
SEED_RANGE, EXTENT_RANGE = 8.0, 2.0


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How much is marked.

    seed: evidence that a part needs, log-odds; extent: probability that a pixel needs; grow: pixels by which parts are
    widened, for damage's soft edge.
    """

    seed: float = SEED
    extent: float = EXTENT
    grow: int = 1

    @classmethod
    def of_sensitivity(cls, sensitivity: float) -> Rules:
        """0 marks least, 0.5 is the measured balance, 1 marks most."""
        less = 0.5 - sensitivity
        return cls(seed=SEED + SEED_RANGE * less, extent=float(_probability(_log_odds(EXTENT) + EXTENT_RANGE * less)))


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


def propose(probability: np.ndarray, rules: Rules | None = None, picture: np.ndarray | None = None) -> Proposal:
    """Probabilities of damage float32 (H, W) -> what to propose.

    picture: uint8 RGB (H, W, 3), by whose colours flat parts are completed; None: they are not.

    The confidence of damage is that of its least sure part; of a clean picture, that of its most suspicious part. It is
    a half where the evidence is just what a part needs, and follows it as a probability follows log-odds.
    """
    rules = rules or Rules()
    labels, evidence = scored_parts(probability, rules.extent)
    sure = evidence >= rules.seed
    empty = np.zeros(probability.shape, np.uint8)
    if not sure.any():
        suspicion = float(evidence.max(initial=0.0))
        confidence = float(_probability(rules.seed - suspicion))
        if suspicion < min(SUSPECT, rules.seed):
            return Proposal(hole=empty, verdict="clean", confidence=confidence)
        reason = f"suspected with an evidence of {suspicion:.1f}, below the {rules.seed:.1f} that a proposal needs"
        return Proposal(hole=empty, verdict="unsure", confidence=confidence, reason=reason)
    chosen = np.flatnonzero(sure) + 1
    whole = np.isin(labels, chosen) if picture is None else completed(picture, labels, chosen)
    hole = whole.astype(np.uint8)
    if rules.grow:
        side = 2 * rules.grow + 1
        hole = np.asarray(cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))), np.uint8)
    ratio = float(hole.mean())
    if ratio > MOST_DAMAGE:
        reason = f"{ratio:.0%} of the picture looks damaged: too much to be true"
        return Proposal(hole=empty, verdict="unsure", confidence=0.0, reason=reason)
    confidence = float(_probability(evidence[sure].min() - rules.seed))
    return Proposal(hole=hole, verdict="damaged", confidence=confidence, parts=int(sure.sum()))


def scored_parts(probability: np.ndarray, extent: float) -> tuple[np.ndarray, np.ndarray]:
    """Connected parts of a map above ``extent``: labels int32 (H, W), 0 outside; and their evidence float64 (n,).

    Evidence is the mean log-odds of a part's EVIDENCE surest pixels; those that a smaller part lacks count as undecided
    (0). So a part's ragged rim does not speak against it, and a speck alone is no evidence.
    """
    above = (probability >= extent).astype(np.uint8)
    count, labels, stats, _ = labelled(above)
    inside = np.flatnonzero(above)
    parts, odds = labels.ravel()[inside], _log_odds(probability.ravel()[inside])
    order = np.lexsort((-odds, parts))
    parts, odds = parts[order], odds[order]
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    areas[0] = 0
    surest = np.arange(len(parts)) - (np.cumsum(areas) - areas)[parts] < EVIDENCE
    return labels, np.bincount(parts[surest], odds[surest], count)[1:] / EVIDENCE


def _log_odds(probability: float | np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.clip(np.log(probability) - np.log1p(-np.asarray(probability, np.float64)), -MOST_ODDS, MOST_ODDS)


def _probability(log_odds: float | np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.asarray(log_odds, np.float64))))
