"""The HTTP interface: ``POST /v1/restore`` and ``/v1/detect``, ``/healthz``, ``/metrics``, and OpenAPI at ``/docs``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, cast

from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from faceinpaint import telemetry
from faceinpaint.data.user_masks import Polarity
from faceinpaint.serving.engine import TRIES, Reply, RestoreRequest
from faceinpaint.serving.exposition import exposition
from faceinpaint.serving.gate import Gate, refusal
from faceinpaint.serving.limits import Limits, RefusedError
from faceinpaint.serving.media import media_type

ROW_HEADER = "X-Faceinpaint-Row"  # the ledger's row, or that of the proposals, as JSON
RETRY_AFTER = 2  # seconds
PICTURES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {}}, "description": f"The picture; header {ROW_HEADER}: its row as JSON."},
    **{code: {"description": "Refused; the body's `error` says why."} for code in (401, 403, 413, 422, 429, 503)},
}

Sensitivity = Annotated[float, Form(ge=0, le=1, description="Of the detector: 0 marks least, 1 marks most.")]
Picture = Annotated[UploadFile, File(description="A photograph of a format that is restored.")]
Mask = Annotated[UploadFile | None, File(description="Of the picture's size. Without one the detector proposes it.")]


class Api:
    """Takes requests in, and asks the engine. ``in_flight``: requests of each client that are being served."""

    def __init__(self, engine: DeploymentHandle, limits: Limits, token: str | None):
        self.engine, self.limits, self.token = engine, limits, token
        self.in_flight: Counter[str] = Counter()

    def __serve_build_asgi_app__(self) -> FastAPI:  # Ray Serve's name
        return application(self)

    async def restore(self, request: Request, given: RestoreRequest) -> Response:
        """A restored picture, or the same one where the detector found nothing to restore."""
        self.limits.check_picture(given.picture, "picture")
        if given.mask is not None:
            self.limits.check_picture(given.mask, "mask")
        async with self._turn(request):
            reply = await self._ask("restore", given)
        if not reply.file:
            raise RefusedError(422, _sentence(reply))
        return _answer(reply)

    async def detect(self, request: Request, key: str, picture: bytes, sensitivity: float) -> Response:
        """The proposed mask as a PNG; 204 when there is nothing to propose."""
        self.limits.check_picture(picture, "picture")
        async with self._turn(request):
            reply = await self._ask("detect", key, picture, sensitivity)
        if reply.row["status"] in ("skipped", "failed"):
            raise RefusedError(422, _sentence(reply))
        return _answer(reply)

    async def _ask(self, method: str, *given: Any) -> Reply:
        """Call the engine; a request that was accepted is asked again when its replica dies."""
        for attempt in range(TRIES):
            try:
                return await getattr(self.engine, method).remote(*given)
            except BackPressureError:
                raise RefusedError(503, "All models are busy and the queue is full.", RETRY_AFTER) from None
            except RayActorError:
                if attempt == TRIES - 1:
                    raise RefusedError(503, "The models do not answer.", RETRY_AFTER) from None
        raise AssertionError("the last attempt returned or raised")

    @asynccontextmanager
    async def _turn(self, request: Request) -> AsyncIterator[None]:
        """One of the client's turns. Raises :class:`RefusedError` when it has too many already."""
        client = request.client.host if request.client else ""
        if self.in_flight[client] >= self.limits.in_flight:
            raise RefusedError(429, f"At most {self.limits.in_flight} requests at a time from one client.", RETRY_AFTER)
        self.in_flight[client] += 1
        try:
            yield
        finally:
            self.in_flight[client] -= 1
            if not self.in_flight[client]:
                del self.in_flight[client]


def application(api: Api) -> FastAPI:
    """The routes of ``api``."""
    app = FastAPI(title="faceinpaint", description="Fills holes in photographs of faces.", version="1")
    app.add_middleware(Gate, limits=api.limits, token=api.token)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _unread)

    @app.post("/v1/restore", response_class=Response, responses=PICTURES)
    async def restore(
        request: Request,
        picture: Picture,
        mask: Mask = None,
        mask_polarity: Annotated[Polarity | None, Form()] = None,
        no_face: Annotated[Literal["skip", "classical", "crop"], Form()] = "classical",
        sensitivity: Sensitivity = 0.5,
    ) -> Response:
        """Fill the hole of a picture."""
        given = RestoreRequest(
            key=picture.filename or "picture",
            picture=await picture.read(),
            mask=await mask.read() if mask is not None else None,
            polarity=mask_polarity,
            no_face=no_face,
            sensitivity=sensitivity,
        )
        return await api.restore(request, given)

    @app.post("/v1/detect", response_class=Response, responses={**PICTURES, 204: {"description": "No damage found."}})
    async def detect(request: Request, picture: Picture, sensitivity: Sensitivity = 0.5) -> Response:
        """Propose a mask of the damage in a picture: white is the hole."""
        return await api.detect(request, picture.filename or "picture", await picture.read(), sensitivity)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the service answers."""
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        """Metrics for Prometheus, of all nodes."""
        return await run_in_threadpool(exposition)

    return app


def deployment(limits: Limits, replicas: int) -> serve.Deployment:
    """The API as a deployment."""
    made = cast(serve.Deployment, serve.deployment(serve.ingress()(Api)))  # its stub is of the decorator alone
    return made.options(
        name="api",
        num_replicas=replicas,
        max_ongoing_requests=4 * limits.queue,
        ray_actor_options={"num_cpus": 0},
    )


def _answer(reply: Reply) -> Response:
    code = 200 if reply.file else 204
    telemetry.count("requests", str(code), 1)
    row = json.dumps({name: value for name, value in reply.row.items() if value is not None})
    return Response(reply.file, code, {ROW_HEADER: row}, media_type=media_type(reply.file) if reply.file else None)


def _sentence(reply: Reply) -> str:
    reason = str(reply.row["reason"] or "it cannot be restored")
    return f"{reason[0].upper()}{reason[1:].rstrip('.')}."


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    telemetry.count("requests", str(error.code), 1)
    return refusal(error)


async def _invalid(request: Request, error: Exception) -> Response:
    """FastAPI's list of problems as one sentence; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "The request"
    return await _refused(request, RefusedError(422, f"{where}: {first['msg']}."))


async def _unread(request: Request, error: Exception) -> Response:
    """What FastAPI says when a body could not be read: because the gate stopped it, or because it is not a form."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, RefusedError):
        return await _refused(request, error.__cause__)
    return await _refused(request, RefusedError(error.status_code, f"{str(error.detail).rstrip('.')}."))
