"""A picture as the bytes of a file, for tests of any format."""

import io

from PIL import Image


def encoded(picture, kind="PNG", **options):
    """``picture``, PIL's or an array, written by Pillow as ``kind``."""
    sink = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(sink, kind, **options)
    return sink.getvalue()
