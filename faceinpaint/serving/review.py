"""The review page as a Ray Serve deployment: one replica, which alone writes decisions."""

from __future__ import annotations

import os
import tempfile
from typing import Any, cast

from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from faceinpaint.errors import InputError
from faceinpaint.inference.lock import run_lock
from faceinpaint.serving.engine import TRIES, RestoreRequest
from faceinpaint.serving.gate import Gate
from faceinpaint.serving.limits import Limits
from faceinpaint.serving.pictures import open_pictures


class Review:
    """The page over a detection's folder. input: the pictures; output: the folder; both local or s3://."""

    def __init__(self, engine: DeploymentHandle, limits: Limits, token: str | None, input: str, output: str):
        self.engine, self.limits, self.token = engine, limits, token
        self.lock = run_lock(output)
        self.lock.__enter__()  # held until this process ends
        # What the browser is sent lies in files for a while: they are ours alone, and go with us.
        self.cache = tempfile.TemporaryDirectory(prefix="faceinpaint-review-")
        os.environ["GRADIO_TEMP_DIR"] = self.cache.name
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        from faceinpaint.serving.desk import Desk

        self.desk = Desk(output, open_pictures(input), self._restore)

    def __serve_build_asgi_app__(self) -> Any:  # Ray Serve's name
        import gradio as gr
        from fastapi import FastAPI

        from faceinpaint.serving.page import build_page, head

        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        gr.mount_gradio_app(
            app,
            build_page(self.desk),
            path="",
            head=head(),
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            footer_links=[],
            ssr_mode=False,
            enable_monitoring=False,
        )
        app.add_middleware(Gate, limits=self.limits, token=self.token)
        return app

    def _restore(self, key: str, picture: bytes, mask: bytes) -> bytes:
        """The engine's picture; InputError with its reason when there is none."""
        for attempt in range(TRIES):
            try:
                reply = self.engine.restore.remote(RestoreRequest(key=key, picture=picture, mask=mask)).result()
                break
            except BackPressureError:
                raise InputError("all models are busy: try again") from None
            except RayActorError:
                if attempt == TRIES - 1:
                    raise InputError("the models do not answer: try again") from None
        if not reply.file:
            raise InputError(reply.row["reason"] or "it cannot be restored")
        return reply.file


def deployment() -> serve.Deployment:
    """The page as a deployment."""
    made = cast(serve.Deployment, serve.deployment(serve.ingress()(Review)))  # its stub is of the decorator alone
    return made.options(name="review", num_replicas=1, max_ongoing_requests=200, ray_actor_options={"num_cpus": 0})
