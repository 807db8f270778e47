"""Both applications on Ray Serve, and running them until they are stopped."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from dataclasses import dataclass, field
from typing import Any

from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.handle import DeploymentHandle

from faceinpaint.errors import InputError
from faceinpaint.models.find_weights import find_weights
from faceinpaint.models.weights import load_config
from faceinpaint.ray_session import connect, disconnect
from faceinpaint.serving import TOKEN, api, engine, review
from faceinpaint.serving.gate import LOOPBACK
from faceinpaint.serving.limits import Limits
from faceinpaint.serving.pictures import open_pictures
from faceinpaint.storage import absolute, exists, join, name_of

SERVICE, PAGE = "faceinpaint", "review"  # the applications


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """How the service runs; the fields are the flags of ``faceinpaint serve``."""

    weights: str | None = None  # None: what $FACEINPAINT_WEIGHTS names
    input: str | None = None
    masks: str | None = None  # the folder of a detection
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None  # None: none on loopback, a new one elsewhere
    replicas: int = 1
    cpus_per_replica: int = 1
    gpus_per_replica: float = 0
    limits: Limits = field(default_factory=Limits)


def check(options: ServeOptions) -> ServeOptions:
    """The options with absolute places and a token where one is needed. Raises :class:`InputError`."""
    if (options.input is None) != (options.masks is None):
        raise InputError(
            "the review page needs both `input` and `masks`: the pictures, and what faceinpaint detect wrote"
        )
    weights = find_weights(options.weights)
    load_config(weights)
    # An empty token would open to everyone; one from a file often ends with a line break.
    token = (options.token or "").strip() or None
    masks, pictures = options.masks, options.input
    if options.host not in LOOPBACK and not token:
        token = secrets.token_urlsafe(24)
    if masks is not None and pictures is not None:
        masks, pictures = absolute(masks), absolute(pictures)
        if name_of(masks) == "masks" and not exists(join(masks, "proposals")):
            masks = masks.rstrip("/").rpartition("/")[0]
        if not exists(join(masks, "proposals")):
            raise InputError(f"{masks}: no proposals there: run faceinpaint detect first, with this as its `output`")
        open_pictures(pictures)
    values = {"weights": weights, "input": pictures, "masks": masks, "token": token}
    return ServeOptions(**{**vars(options), **values})


def built_service(args: dict[str, Any]) -> Any:
    """The API's application for a Serve configuration file, whose ``args`` are fields of :class:`ServeOptions`;
    ``limits``: those of :class:`Limits`.

    The token is $FACEINPAINT_TOKEN. Raises :class:`InputError` when one is needed and there is none: every replica
    must know the same.
    """
    return service(check(options_of(args)))


def built_page(args: dict[str, Any]) -> Any:
    """The review page's application for a Serve configuration file, beside that of :func:`built_service`."""
    return page(check(options_of(args)))


def options_of(args: dict[str, Any]) -> ServeOptions:
    """Options from a configuration file and the environment."""
    limits = Limits(**args.get("limits", {}))
    options = ServeOptions(**{**args, "limits": limits, "token": os.environ.get(TOKEN, "").strip()})
    if options.host not in LOOPBACK and not options.token:
        raise InputError(f"{TOKEN} is not set: on {options.host} clients and reviewers must have a token")
    return options


def start(options: ServeOptions) -> str:
    """Deploy what checked ``options`` say on the Ray this process is connected to; returns the page's address."""
    http = HTTPOptions(host=options.host, port=options.port)
    serve.start(proxy_location=ProxyLocation.HeadOnly, http_options=http)
    serve.run(service(options), name=SERVICE, route_prefix="/")
    if options.input:
        serve.run(page(options), name=PAGE, route_prefix="/review")
    return f"http://{options.host}:{options.port}"


def service(options: ServeOptions) -> Any:
    """The API and its engine as one application, of checked ``options``."""
    cpus, gpus = options.cpus_per_replica, options.gpus_per_replica
    models = engine.deployment(options.limits, options.replicas, cpus, gpus).bind(options.weights, cpus, gpus > 0)
    return api.deployment(options.limits, 1).bind(models, options.limits, options.token)


def page(options: ServeOptions) -> Any:
    """The review page as an application; it asks the engine of :func:`service`, which must run beside it."""
    if not options.input or not options.masks:
        raise InputError("the review page needs input and masks")
    models: DeploymentHandle = serve.get_deployment_handle("engine", SERVICE, _check_exists=False)
    return review.deployment().bind(models, options.limits, options.token, options.input, options.masks)


def run(options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM."""
    options = check(options)
    connect()
    try:
        address = start(options)
        suffix = f"?token={options.token}" if options.token else ""
        print(f"service: {address}/v1/restore, {address}/v1/detect; described at {address}/docs{suffix}", flush=True)
        if options.input:
            print(f"review:  {address}/review/{suffix}", flush=True)
            print(f"then:    faceinpaint restore --input {options.input} --masks {options.masks}/masks", flush=True)
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        stopped.wait()
    finally:
        serve.shutdown()
        disconnect()
