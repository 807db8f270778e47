"""Who may come in, and with how much."""

import io
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from faceinpaint.errors import InputError
from faceinpaint.photos.photo import open_photo
from faceinpaint.serving.app import ServeOptions, check, options_of
from faceinpaint.serving.gate import Gate
from faceinpaint.serving.limits import Limits, RefusedError
from faceinpaint.serving.media import media_type


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
    assert client().post("/size", headers={"Origin": "null"}).status_code == 403  # a sandboxed frame of another site
    assert client().post("/size", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://a]b", "//", "x"])
def test_an_origin_that_is_no_address_is_refused_like_any_other(origin):
    assert client().post("/size", headers={"Origin": origin}).status_code == 403


def test_a_length_of_any_number_of_digits_is_too_large():
    answer = client().post("/size", content=b"abc", headers={"Content-Length": "9" * 5000})
    assert (answer.status_code, answer.json()) == (413, {"error": "The request is larger than 1 MB."})


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


@pytest.mark.parametrize("other", ["a:b=1", 'state={"open": [1, 2]}', "no value", "x=1; x=2"])
def test_cookies_of_other_programs_on_the_same_host_do_not_hide_the_token(other):
    there = client("secret", host="archive.example")
    for cookies in (f"{other}; faceinpaint-token=secret", f"faceinpaint-token=secret; {other}"):
        assert there.get("/size", headers={"Cookie": cookies}).status_code == 200
    assert there.get("/size", headers={"Cookie": other}).status_code == 401


@pytest.mark.parametrize(("given", "token"), [(None, None), ("", None), ("\n", None), ("secret\n", "secret")])
def test_an_empty_token_is_none_and_a_line_break_is_not_part_of_it(tiny_weights, given, token):
    """An empty one would be known to everybody, and the name that leads here no longer be asked for."""
    assert check(ServeOptions(weights=tiny_weights, token=given)).token == token
    elsewhere = check(ServeOptions(weights=tiny_weights, token=given, host="0.0.0.0")).token
    assert len(elsewhere) > 20 if token is None else elsewhere == token


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_cut_off_whether_it_says_its_length_or_not(chunked):
    def stream():
        for _ in range(30):
            yield b"x" * 100_000

    content = stream() if chunked else b"x" * 3_000_000
    answer = client(upload=2).post("/size", content=content)
    assert (answer.status_code, answer.json()) == (413, {"error": "The request is larger than 2 MB."})


def test_a_configuration_file_sets_limits_too(monkeypatch):
    monkeypatch.setenv("FACEINPAINT_TOKEN", "secret\n")
    given = options_of({"host": "0.0.0.0", "limits": {"picture": 80, "in_flight": 200}})
    assert (given.token, given.limits) == ("secret", Limits(picture=80, in_flight=200))
    monkeypatch.setenv("FACEINPAINT_TOKEN", " ")
    with pytest.raises(InputError, match="FACEINPAINT_TOKEN is not set"):
        options_of({"host": "0.0.0.0"})


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
    with pytest.raises(RefusedError, match="too many pixels"):
        Limits(picture=300).check_picture(bomb, "picture")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_tiffs_that_pillow_does_not_know_are_measured_too(kind):
    sink = io.BytesIO()
    tifffile.imwrite(sink, np.zeros((1200, 1000, 3), kind), photometric="rgb", compression="zlib")
    assert open_photo(sink.getvalue()).size == (1200, 1000)  # it would be restored
    Limits(picture=2).check_picture(sink.getvalue(), "picture")
    with pytest.raises(RefusedError, match=r"has 1.2 megapixels \(1000x1200\), more than 1 megapixels"):
        Limits(picture=1).check_picture(sink.getvalue(), "picture")


def test_pages_count_together():
    pages = [Image.new("RGB", (20, 20)), Image.new("RGB", (1000, 800)), Image.new("RGB", (1000, 800))]
    sink = io.BytesIO()
    pages[0].save(sink, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_deflate")
    Limits(picture=2).check_picture(sink.getvalue(), "picture")
    with pytest.raises(RefusedError, match=r"has 1\.6 megapixels in 3 pages"):
        Limits(picture=1).check_picture(sink.getvalue(), "picture")


@pytest.mark.parametrize(
    ("kind", "options", "wanted"),
    [
        ("PNG", {}, "image/png"),
        ("JPEG", {}, "image/jpeg"),
        ("WEBP", {}, "image/webp"),
        ("AVIF", {}, "image/avif"),
        ("TIFF", {}, "image/tiff"),
        ("TIFF", {"big_tiff": True}, "image/tiff"),
        ("GIF", {}, "image/gif"),
        ("BMP", {}, "image/bmp"),
        ("JPEG2000", {}, "image/jp2"),
        ("JPEG2000", {"no_jp2": True}, "image/j2c"),
        ("PPM", {}, "image/x-portable-anymap"),
        ("TGA", {}, "application/octet-stream"),  # its first bytes say nothing
    ],
)
def test_each_format_that_is_restored_comes_back_under_its_name(kind, options, wanted):
    sink = io.BytesIO()
    Image.new("RGB", (20, 20)).save(sink, kind, **options)
    assert media_type(sink.getvalue()) == wanted
