"""Media types of the files that come back."""

from __future__ import annotations

from faceinpaint.photos.pages import TIFF_STARTS

SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    *((start, "image/tiff") for start in TIFF_STARTS),
    (b"GIF8", "image/gif"),
    (b"\0\0\0\x0cjP  ", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/j2c"),
    *((f"P{kind}".encode(), "image/x-portable-anymap") for kind in range(1, 7)),
    (b"BM", "image/bmp"),
)


def media_type(data: bytes) -> str:
    """The media type of an encoded picture, by its first bytes, which tell all that is restored but TGA."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return next((kind for start, kind in SIGNATURES if data.startswith(start)), "application/octet-stream")
