"""The worker of an evaluation: restores a batch by every method and writes what it measures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from faceinpaint.data.splits import matching_entry
from faceinpaint.encoding import png_bytes
from faceinpaint.errors import InputError
from faceinpaint.evaluation.methods import Restore, load_method
from faceinpaint.evaluation.metrics import PICTURE_METRICS, picture_metrics
from faceinpaint.evaluation.parts import is_done, write_table
from faceinpaint.evaluation.plan import Plan
from faceinpaint.inference.way import MODEL_BATCH
from faceinpaint.losses.frechet import FALLBACK_EXTRACTOR, Features, available_extractor, load_extractor
from faceinpaint.losses.identity import IdentityNetwork, load_identity
from faceinpaint.losses.perceptual import load_perceptual
from faceinpaint.tensors import to_float

ORIGINAL = "original"  # the undamaged pictures' place beside the methods


@dataclass
class Usable:
    """Pictures that could be read and have a hole: keys, uint8 (N, S, S, 3) and (N, S, S)."""

    keys: list[str]
    images: np.ndarray
    holes: np.ndarray


@dataclass
class Seen:
    """What networks see in N pictures: features (N, D) of the Frechet distance, unit vectors (N, E) of identity."""

    features: np.ndarray
    identity: np.ndarray


@dataclass
class BatchRecord:
    """What the driver keeps of a batch; its rows and features lie in the parts named by ``sha256``."""

    first_key: str
    last_key: str
    n: int  # pictures judged
    sha256: str  # of keys, pictures and holes
    data_sum: int  # sum of the SHA-256 of each picture: a hash of the set, whatever its order or division
    mask_sum: int  # the same of the holes
    reused: bool  # every part was there already
    double: str | None = None  # a key that two of its pictures have
    entries: list[str] = field(default_factory=list)  # of the split, that its pictures are named by
    skipped: list[tuple[str, str]] = field(default_factory=list)  # (key, reason)

    @classmethod
    def from_json(cls, text: str) -> BatchRecord:
        """Inverse of what :class:`Judge` writes."""
        return cls(**json.loads(text))


class Judge:
    """Callable for ``map_batches``: one block of :func:`picture_batches` in, one :class:`BatchRecord` as JSON out."""

    def __init__(self, plan: Plan, gpu: bool):
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False  # figures are those of fp32, wherever they are taken
        self.plan = plan
        # Ray hides no GPU from those that asked for none.
        self.device = torch.device("cuda" if gpu and torch.cuda.is_available() else "cpu")
        self.methods: dict[str, Restore] = {}

    def __call__(self, block: dict[str, np.ndarray]) -> dict[str, list[str]]:
        batch, skipped = self._read(block)
        pictures = [_sha256(key, image) for key, image in zip(batch.keys, batch.images, strict=True)]
        holes = [_sha256(key, hole) for key, hole in zip(batch.keys, batch.holes, strict=True)]
        digest = hashlib.sha256(b"".join(pictures + holes)).hexdigest()
        missing = [m for m in (ORIGINAL, *self.plan.methods) if not is_done(self.plan.part_uri(m, digest))]
        if missing and batch.keys:
            original = self._seen(batch.images)
            for method in missing:
                write_table(self.plan.part_uri(method, digest), self._judge(method, batch, original))
        keys = [str(key) for key in block["key"]]  # sorted
        record = BatchRecord(
            first_key=keys[0],
            last_key=keys[-1],
            n=len(batch.keys),
            sha256=digest,
            data_sum=_sum(pictures),
            mask_sum=_sum(holes),
            reused=not missing,
            double=next((a for a, b in pairwise(keys) if a == b), None),
            entries=[str(matching_entry(key, self.plan.keys)) for key in keys] if self.plan.keys else [],
            skipped=skipped,
        )
        return {"record": [json.dumps(asdict(record))]}

    def _read(self, block: dict[str, np.ndarray]) -> tuple[Usable, list[tuple[str, str]]]:
        """The block's usable pictures with their holes, and the others with the reason."""
        side = self.plan.size
        keys, images, holes, skipped = [], [], [], []
        columns = (block[name] for name in ("key", "image", "hole", "error"))
        for key, image, hole, error in zip(*columns, strict=True):
            if error:
                skipped.append((str(key), str(error)))
                continue
            keys.append(str(key))
            images.append(np.frombuffer(image, np.uint8).reshape(side, side, 3))
            holes.append(np.frombuffer(hole, np.uint8).reshape(side, side))
        shape = (len(keys), side, side)
        return Usable(keys, np.reshape(images, (*shape, 3)), np.reshape(holes, shape)), skipped

    def _judge(self, method: str, batch: Usable, original: Seen) -> pa.Table:
        """One row per picture: its figures, its features and the restored picture itself."""
        table: dict[str, Any] = {"key": batch.keys, "hole_ratio": batch.holes.mean(axis=(1, 2))}
        if method == ORIGINAL:
            pictures, seen = batch.images, original
            table["hole"] = [png_bytes(hole * 255) for hole in batch.holes]
        else:
            pictures = self._restore(method, batch)
            seen = self._seen(pictures)
            table |= self._figures(batch, pictures)
            table["identity"] = (original.identity * seen.identity).sum(1).astype(np.float64)
        table["features"] = list(seen.features)
        table["picture"] = [png_bytes(picture) for picture in pictures]
        return pa.table(table)

    def _restore(self, method: str, batch: Usable) -> np.ndarray:
        if method not in self.methods:
            self.methods[method] = load_method(method, self.plan.weights, str(self.device), self.plan.precision)
        parts = [slice(i, i + MODEL_BATCH) for i in range(0, len(batch.keys), MODEL_BATCH)]  # bounds memory
        restored = np.concatenate([self.methods[method](batch.images[part], batch.holes[part]) for part in parts])
        return np.where(batch.holes[..., None] > 0, restored, batch.images)

    def _seen(self, pictures: np.ndarray) -> Seen:
        features = self.extractor(pictures)
        if (self.plan.extractor, self.plan.identity) == (FALLBACK_EXTRACTOR, "sface"):
            return Seen(features, features)  # one network for both
        with torch.inference_mode():
            return Seen(features, self.identity.embed(to_float(pictures).to(self.device)).cpu().numpy())

    def _figures(self, batch: Usable, pictures: np.ndarray) -> dict[str, Any]:
        rows = [
            picture_metrics(image, picture, hole, self.plan.convention)
            for image, picture, hole in zip(batch.images, pictures, batch.holes, strict=True)
        ]
        figures: dict[str, Any] = {name: [row[name] for row in rows] for name in PICTURE_METRICS}
        with torch.inference_mode():
            a, b = to_float(batch.images).to(self.device), to_float(pictures).to(self.device)
            figures["lpips"] = self.perceptual(a, b).double().cpu().numpy()
        return figures

    @cached_property
    def perceptual(self) -> torch.nn.Module:
        network = load_perceptual(self.plan.lpips_backbone).to(self.device)
        _expect(self.plan.perceptual, network.backbone)
        return network

    @cached_property
    def identity(self) -> IdentityNetwork:
        network = load_identity(self.plan.arcface, self.plan.alignment).to(self.device)
        _expect(self.plan.identity, network.network)
        return network

    @cached_property
    def extractor(self) -> Features:
        _expect(self.plan.extractor, available_extractor())
        return load_extractor(self.device, self.plan.alignment)


def _expect(planned: str, found: str) -> None:
    """Raises where a node's cache holds another network than the driver's, after which figures are named."""
    if found != planned:
        raise InputError(f"figures are to be taken by {planned}, but this node has {found}: give all the same caches")


def _sha256(key: str, pixels: np.ndarray) -> bytes:
    return hashlib.sha256(key.encode() + repr(pixels.shape).encode() + pixels.tobytes()).digest()


def _sum(digests: list[bytes]) -> int:
    return sum(int.from_bytes(digest) for digest in digests) % 2**256
