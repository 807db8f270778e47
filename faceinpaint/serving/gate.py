"""Who may come in: an ASGI middleware in front of the page and the API.

On loopback anyone on this machine may, but no page of another site in their browser; elsewhere it takes a token. The
size of a request is limited here too, before anything reads it.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faceinpaint.serving.limits import Limits, RefusedError

COOKIE = "faceinpaint-token"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LONGEST_LENGTH = 20  # digits of a request's length that count: as many are more than any limit
OPEN = ("/healthz",)  # paths that need no token


class Gate:
    """Lets requests through to ``app``.

    token: what ``Authorization: Bearer TOKEN``, the cookie or ``?token=TOKEN`` must say; None on loopback, where the
    request must name loopback as its host instead (so no other site's name leads here).
    """

    def __init__(self, app: ASGIApp, limits: Limits, token: str | None):
        self.app, self.limits, self.token = app, limits, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        answer = self._refusal(scope, headers)
        if answer is None:
            await self._limited(scope, headers, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer(scope, receive, send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> Any:
        """What to answer instead, or None."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin and _place(origin) != host:  # of a sandboxed frame or a local file it is "null"
            return refusal(RefusedError(403, "Requests from pages of other sites are not served."))
        if scope["path"] in OPEN:
            return None
        if self.token is None:
            name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
            return None if name in LOOPBACK else refusal(RefusedError(403, "This service is for its own machine."))
        if self._knows(headers):
            return None
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if given and hmac.compare_digest(given.encode(), self.token.encode()) and scope.get("method") == "GET":
            answer = RedirectResponse(scope["path"], 303)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return answer
        return refusal(RefusedError(401, "This service needs a token: Authorization: Bearer TOKEN, or ?token=TOKEN."))

    def _knows(self, headers: dict[str, str]) -> bool:
        assert self.token is not None
        bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
        # Not http.cookies: one odd cookie of another program on this host would hide ours.
        given = (bearer, cookie_parser(headers.get("cookie", "")).get(COOKIE, ""))
        return any(hmac.compare_digest(each.encode(), self.token.encode()) for each in given)

    async def _limited(self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        """Pass the request on, but not a byte more than the limit: also of bodies that do not say their length."""
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            self.limits.check_upload(read)
            return message

        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            length = headers.get("content-length", "")
            self.limits.check_upload(int(length[:LONGEST_LENGTH]) if length.isdecimal() else 0)
            await self.app(scope, counted, watched)
        except RefusedError as error:
            if started:
                raise
            await refusal(error)(scope, receive, send)


def _place(origin: str) -> str | None:
    """The host and port of an ``Origin``; None of what is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def refusal(error: RefusedError) -> JSONResponse:
    """A refusal as an answer: ``{"error": SENTENCE}``, with ``Retry-After`` when waiting helps."""
    headers = {"Retry-After": str(error.wait)} if error.wait else None
    return JSONResponse({"error": error.sentence}, error.code, headers)
