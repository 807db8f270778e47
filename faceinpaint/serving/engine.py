"""The models behind the service: a Ray Serve deployment that restores and detects, in batches across users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, TypeVar, cast

from ray import serve

from faceinpaint.data.marked_holes import Reading
from faceinpaint.data.mask_pictures import decode_mask
from faceinpaint.data.mask_spec import MaskFile, Proposed
from faceinpaint.data.user_masks import Polarity
from faceinpaint.device import settle
from faceinpaint.errors import InputError
from faceinpaint.inference.document import examine, finish
from faceinpaint.inference.finder import Finder
from faceinpaint.inference.given import proposed
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.inference.painter import paint_together
from faceinpaint.inference.proposal import Rules
from faceinpaint.inference.proposals import Found, ProposalRow
from faceinpaint.inference.row import LedgerRow, Status
from faceinpaint.inference.travel import Examined, Painted, Settings
from faceinpaint.inference.way import MODEL_BATCH
from faceinpaint.models.weights import has_weights
from faceinpaint.serving.limits import Limits
from faceinpaint.serving.together import Together

T = TypeVar("T")
TRIES = 4  # of a request whose replica dies: nothing that was accepted is lost
BATCH = 8  # pictures that the model paints together
DECODERS = 1  # threads that decode and encode beside the model; the face finder that they share stands no two


@dataclass(frozen=True, kw_only=True)
class RestoreRequest:
    """One picture to restore. mask: an encoded mask picture, or None: the detector proposes the hole."""

    key: str
    picture: bytes
    mask: bytes | None = None
    polarity: Polarity | None = None
    no_face: Literal["skip", "classical", "crop"] = "classical"
    sensitivity: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What became of it: the row (of the ledger, or of the proposals) and a file; empty when there is none."""

    row: dict[str, Any]
    file: bytes = b""


class Engine:
    """Restores and detects. One per replica; pictures are never written or logged."""

    def __init__(self, weights: str, threads: int = 1, gpu: bool = False, precision: Any = "auto"):
        settle(threads)
        device = None if gpu else "cpu"
        self.inpainter = Inpainter.load(weights, device=device, precision=precision)
        self.finder = Finder(weights, 0.5, threads, gpu) if has_weights(weights, "detector") else None
        self.side_threads = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
        self.model_thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self.painted = Together(self._paint, BATCH)
        # A pass of a fixed number of patches, so that a result does not depend on who else asks. To a GPU copies cost
        # little; on a CPU a lone request would take up to eight times as long.
        self.patches = MODEL_BATCH if gpu else 1

    async def restore(self, request: RestoreRequest) -> Reply:
        """Restore one picture, painted in one batch with other users'.

        Without a mask the detector proposes the hole; a picture in which it finds none comes back as it was, and the
        row says so.
        """
        try:
            if request.mask is not None:
                masks: MaskFile | Proposed = MaskFile(await self._aside(decode_mask, request.mask))
            else:
                found = await self._find(request.key, request.picture, request.sensitivity)
                masks = proposed(found)
                if found.row.status in ("clean", "unsure"):
                    return Reply(row=asdict(self._row(request, "skipped", masks.reason)), file=request.picture)
        except InputError as error:  # the mask is no mask, or there is no detector
            return Reply(row=asdict(self._row(request, "failed", str(error))))
        settings = self._settings(request, masks)
        examined = await self._aside(examine, request.key, request.picture, None, settings)
        painted = await self.painted(examined) if examined.plan.crops is not None else Painted(examined=examined)
        finished = await self._aside(finish, painted, settings)
        return Reply(row=asdict(finished.row), file=finished.picture)

    async def detect(self, key: str, picture: bytes, sensitivity: float = 0.5) -> Reply:
        """The proposed mask of a picture as a PNG, white in the hole; none where there is nothing to propose."""
        try:
            found = await self._find(key, picture, sensitivity)
        except InputError as error:
            return Reply(row=asdict(ProposalRow(key=key, status="failed", reason=str(error))))
        return Reply(row=asdict(found.row), file=found.png)

    def _row(self, request: RestoreRequest, status: Status, reason: str) -> LedgerRow:
        return LedgerRow(key=request.key, status=status, reason=reason, model_sha256=self.inpainter.model_sha256)

    def _settings(self, request: RestoreRequest, masks: MaskFile | Proposed) -> Settings:
        return Settings(
            output="",
            masks=masks,
            reading=Reading(polarity=request.polarity, grow="auto"),
            image_size=self.inpainter.image_size,
            alignment=self.inpainter.config.alignment,
            no_face=request.no_face,
            as_rows=True,  # the name that a client sends becomes no path: any will do
            apart=True,
            model_sha256=self.inpainter.model_sha256,
        )

    async def _find(self, key: str, picture: bytes, sensitivity: float) -> Found:
        if self.finder is None:
            raise InputError("these weights hold no detector: send a mask")
        look = partial(self.finder.find, key, picture, None, Rules.of_sensitivity(sensitivity))
        return await asyncio.get_running_loop().run_in_executor(self.model_thread, look)

    async def _paint(self, examined: list[Examined]) -> list[Painted]:
        paint = partial(paint_together, self.inpainter, examined, self.patches)
        return await asyncio.get_running_loop().run_in_executor(self.model_thread, paint)

    async def _aside(self, work: Callable[..., T], *given: Any) -> T:
        """Decode or encode in a thread, while others' pictures are painted."""
        return await asyncio.get_running_loop().run_in_executor(self.side_threads, work, *given)


def deployment(limits: Limits, replicas: int, threads: int, gpus: float) -> serve.Deployment:
    """The engine as a deployment of ``replicas`` processes."""
    options: dict[str, Any] = {"num_cpus": threads}
    if gpus:
        options["num_gpus"] = gpus
    made = cast(serve.Deployment, serve.deployment(Engine))  # its stub is of the decorator alone
    return made.options(
        name="engine",
        num_replicas=replicas,
        max_ongoing_requests=2 * BATCH,
        max_queued_requests=limits.queue,
        ray_actor_options=options,
        health_check_period_s=5,
    )
