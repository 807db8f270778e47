"""What the service takes, and how it refuses: one clear sentence and the code that fits."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import Image

from faceinpaint.errors import NoPhotographError

MEGA = 10**6


class RefusedError(Exception):
    """A request that is not served. code: 413, 422, 429 or 503; ``wait``: seconds after which to try again."""

    def __init__(self, code: int, sentence: str, wait: int | None = None):
        super().__init__(sentence)
        self.code, self.sentence, self.wait = code, sentence, wait


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Per request, per client and for all.

    upload: megabytes of a request; picture: megapixels; in_flight: requests of one client at a time; queue: requests
    that wait for a model; batch: pictures that the model paints together.
    """

    upload: int = 64
    picture: int = 50
    in_flight: int = 16
    queue: int = 64
    batch: int = 8

    def check_upload(self, size: int) -> None:
        """Raises :class:`RefusedError` for a request of more than ``upload`` megabytes. size: bytes."""
        if size > self.upload * MEGA:
            raise RefusedError(413, f"The request is larger than {self.upload} MB.")

    def check_picture(self, data: bytes, what: str) -> None:
        """Raises :class:`RefusedError` for more than ``picture`` megapixels; only the header is read, nothing decoded.

        What is not a picture passes: the engine says why it cannot be restored.
        """
        try:
            with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as file:
                warnings.simplefilter("ignore")
                width, height = file.size
        except Image.DecompressionBombError:
            raise RefusedError(413, f"The {what} has more than {self.picture} megapixels.") from None
        except (OSError, ValueError, SyntaxError, NoPhotographError):
            return
        if width * height > self.picture * MEGA:
            raise RefusedError(413, f"The {what} has {width}x{height} pixels, more than {self.picture} megapixels.")
