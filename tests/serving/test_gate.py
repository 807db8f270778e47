"""Who may come in, and with how much."""

import io
import zlib

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from faceinpaint.serving.gate import Gate
from faceinpaint.serving.limits import Limits, RefusedError


def client(token=None, upload=1, host="127.0.0.1:8000"):
    async def size(request: Request):
        return PlainTextResponse(str(len(await request.body())))

    gate = Middleware(Gate, limits=Limits(upload=upload), token=token)
    app = Starlette(routes=[Route("/size", size, methods=["GET", "POST"]), Route("/healthz", size)], middleware=[gate])
    return TestClient(app, headers={"Host": host}, raise_server_exceptions=False, follow_redirects=False)


def test_loopback_needs_no_token_but_its_own_name():
    assert client().post("/size", content=b"abc").text == "3"
    assert client(host="localhost:8000").get("/size").status_code == 200
    assert client(host="[::1]:8000").get("/size").status_code == 200
    assert client(host="evil.example").get("/size").status_code == 403  # a name that somebody points at loopback
    other = client().post("/size", headers={"Origin": "http://evil.example"})
    assert (other.status_code, other.json()) == (403, {"error": "Requests from pages of other sites are not served."})
    assert client().post("/size", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200


def test_elsewhere_a_token_opens_by_header_cookie_and_address():
    there = client("secret", host="archive.example")
    assert there.get("/size").status_code == 401
    assert there.get("/healthz").status_code == 200
    assert there.get("/size", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert there.get("/size", headers={"Authorization": "Bearer secret"}).status_code == 200
    assert there.get("/size?token=wrong").status_code == 401
    answer = there.get("/size?token=secret")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/size"
    assert there.get("/size").status_code == 200  # by the cookie


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_cut_off_whether_it_says_its_length_or_not(chunked):
    def stream():
        for _ in range(30):
            yield b"x" * 100_000

    content = stream() if chunked else b"x" * 3_000_000
    answer = client(upload=2).post("/size", content=content)
    assert (answer.status_code, answer.json()) == (413, {"error": "The request is larger than 2 MB."})


def test_pictures_are_measured_before_they_are_decoded():
    sink = io.BytesIO()
    Image.new("L", (4000, 3000)).save(sink, "PNG")
    Limits(picture=12).check_picture(sink.getvalue(), "picture")
    with pytest.raises(RefusedError, match="4000x3000") as refused:
        Limits(picture=11).check_picture(sink.getvalue(), "picture")
    assert refused.value.code == 413
    Limits().check_picture(b"no picture", "picture")  # the engine says why
    header = b"IHDR" + b"\x00\x01\x86\xa0" * 2 + b"\x08\x00\x00\x00\x00"  # 100,000 px a side
    bomb = sink.getvalue()[:12] + header + zlib.crc32(header).to_bytes(4, "big") + sink.getvalue()[33:]
    with pytest.raises(RefusedError, match="megapixels"):
        Limits().check_picture(bomb, "picture")
