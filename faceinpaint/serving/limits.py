"""What the service takes, and how it refuses: one clear sentence and the code that fits."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image

from faceinpaint.errors import InputError
from faceinpaint.photos import tiff
from faceinpaint.photos.opening import DAMAGE
from faceinpaint.photos.pages import TIFF_STARTS
from faceinpaint.photos.tiff_container import read_tiff

MEGA = 10**6
Size = tuple[int, int]  # width, height


class RefusedError(Exception):
    """A request that is not served. code: of HTTP, 401 to 503; wait: seconds after which to try again."""

    def __init__(self, code: int, sentence: str, wait: int | None = None):
        super().__init__(sentence)
        self.code, self.sentence, self.wait = code, sentence, wait


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Per request, per client and for all.

    upload: megabytes of a request; picture: megapixels; in_flight: requests of one client at a time; queue: requests
    that wait for a model.
    """

    upload: int = 64
    picture: int = 50
    in_flight: int = 16
    queue: int = 64

    def check_upload(self, size: int) -> None:
        """Raises :class:`RefusedError` for a request of more than ``upload`` megabytes. size: bytes."""
        if size > self.upload * MEGA:
            raise RefusedError(413, f"The request is larger than {self.upload} MB.")

    def check_picture(self, data: bytes, what: str) -> None:
        """Raises :class:`RefusedError` for more than ``picture`` megapixels, pages of a TIFF together.

        Only headers are read, nothing is decoded. What is not a picture passes: the engine says why it cannot be
        restored.
        """
        try:
            found = [_first_size(data), *_page_sizes(data)]
        except Image.DecompressionBombError:
            raise RefusedError(413, f"The {what} has too many pixels.") from None
        width, height = max(found, key=lambda size: size[0] * size[1])
        pixels = max(width * height, sum(width * height for width, height in found[1:]))
        if pixels > self.picture * MEGA:
            pages = f" in {len(found) - 1} pages" if pixels > width * height else f" ({width}x{height})"
            raise RefusedError(
                413, f"The {what} has {pixels / MEGA:.1f} megapixels{pages}, more than {self.picture} megapixels."
            )


def _first_size(data: bytes) -> Size:
    """What Pillow would decode; (0, 0) for what it cannot read. Raises ``DecompressionBombError``."""
    with suppress(*DAMAGE), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as file:
            return file.size
    return 0, 0


def _page_sizes(data: bytes) -> list[Size]:
    """Of each page of a TIFF that would be restored, those included that Pillow does not know; [] for other files."""
    if not data.startswith(TIFF_STARTS):
        return []
    with suppress(InputError, *DAMAGE):
        whole, _ = tiff.pictures(read_tiff(data))
        return [
            (tiff.first(whole, page, tiff.WIDTH, 0), tiff.first(whole, page, tiff.HEIGHT, 0))
            for page in range(len(whole.pages))
        ]
    return []
