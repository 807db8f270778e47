"""The detector's part of a pipeline: a Ray Data actor that proposes a hole for each picture that comes by."""

from __future__ import annotations

import hashlib
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from faceinpaint import telemetry
from faceinpaint.device import settle
from faceinpaint.encoding import mask_png
from faceinpaint.errors import InputError
from faceinpaint.inference.detector import Detector
from faceinpaint.inference.proposal import Proposal, Rules
from faceinpaint.inference.proposals import Found, ProposalRow
from faceinpaint.inference.quarantine import spawned_pool
from faceinpaint.inference.row import blame
from faceinpaint.inference.thumbs import thumbnail
from faceinpaint.photos.photo import read_photo

MARK = np.array([255, 0, 255], np.uint8)  # magenta: what is proposed, in thumbnails


class Finder:
    """Adds a column ``found`` (pickled :class:`Found`, for the processes of one run alone) to pictures.

    apart: decode in a process of its own, after some picture has killed a worker.
    """

    def __init__(self, weights: str, sensitivity: float, threads: int, gpu: bool = False, apart: bool = False):
        if threads:
            settle(threads)
        self.detector = Detector.load(weights, device=None if gpu else "cpu")
        self.rules = Rules.of_sensitivity(sensitivity)
        self.pool: ProcessPoolExecutor | None = spawned_pool() if apart else None

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        column = np.empty(len(batch["key"]), object)
        with telemetry.step("detect", len(column)):
            rows = zip(*(batch[name] for name in ("key", "image", "error", "stamp")), strict=True)
            for i, (key, data, error, stamp) in enumerate(rows):
                found = self.find(str(key), data, error)
                found.row.input_stamp = stamp
                column[i] = pickle.dumps(found, pickle.HIGHEST_PROTOCOL)
        return {**batch, "found": column}

    def find(self, key: str, data: bytes | None, error: str | None, rules: Rules | None = None) -> Found:
        """One input's proposal. Whatever is wrong with it costs its row, never the job."""
        began = time.perf_counter()
        row = ProposalRow(key=key, model_sha256=self.detector.model_sha256)
        found = Found(row=row)
        try:
            if data is None:
                raise InputError(error or "no picture")
            row.input_sha256 = hashlib.sha256(data).hexdigest()
            picture = self._decoded(data)
            found = found_in(picture, self.detector(picture, rules or self.rules), row)
        except Exception as problem:  # hostile files make decoders raise anything
            row.status, row.reason = blame(problem)
        row.seconds = time.perf_counter() - began
        return found

    def _decoded(self, data: bytes) -> np.ndarray:
        if self.pool is None:
            return read_upright(data)
        try:
            return self.pool.submit(read_upright, data).result()
        except BrokenProcessPool:
            self.pool = spawned_pool()
            raise InputError("killed the process that decoded it: quarantined") from None


def read_upright(data: bytes) -> np.ndarray:
    """A photograph's bytes -> upright uint8 RGB (H, W, 3); raises as restoration would."""
    return read_photo(data).rgb


def found_in(picture: np.ndarray, proposal: Proposal, row: ProposalRow) -> Found:
    """A proposal for uint8 (H, W, 3) as a row and a file."""
    row.status = "proposed" if proposal.verdict == "damaged" else proposal.verdict
    row.reason, row.confidence, row.parts = proposal.reason, proposal.confidence, proposal.parts
    row.hole_ratio = float(proposal.hole.mean())
    if row.status == "clean":
        return Found(row=row)
    before, after = thumbnail(picture), picture
    png = b""
    if proposal.hole.any():
        png = mask_png(proposal.hole)
        after = np.where(proposal.hole[..., None] > 0, MARK, picture)
    return Found(row=row, png=png, sheet={"before": before, "marked": thumbnail(after)})
