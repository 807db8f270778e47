"""Pictures of 16 bits a channel, whose colours Pillow cannot hold: PNG and TIFF <-> uint16 samples.

PNG of all four colour types; TIFF of grey, RGB and RGB with plain alpha, in one plane. Other 16-bit files would lose
something and are refused.
"""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
from PIL import Image

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.photos.metadata import png_chunks, png_file

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by channels
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's, by channels
BITS, COMPRESSION, PHOTOMETRIC, PLANES, EXTRA_SAMPLES = 258, 259, 262, 284, 338  # TIFF tags
PREMULTIPLIED = 1  # of EXTRA_SAMPLES
WRITTEN_COMPRESSIONS = (1, 5, 8, 32773)  # none, LZW, deflate, PackBits; others become deflate
SWAPPED = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}  # between RGB and OpenCV's BGR


def is_deep(file: Image.Image, data: bytes) -> bool:
    """Whether a file (as opened, not loaded) has 16 bits a channel."""
    if file.format == "PNG":
        return data[24:25] == b"\x10"
    return file.format == "TIFF" and max(file.tag_v2.get(BITS, (1,))) == 16  # type: ignore[attr-defined]


def read_deep(file: Image.Image, data: bytes) -> np.ndarray:
    """Samples of a loaded file that :func:`is_deep`: uint16 (H, W, C), C = 1-4: grey or RGB, the last even one alpha.

    A PNG's transparent colour becomes alpha; a TIFF's orientation is applied. Raises :class:`NoPhotographError` for
    TIFFs that are none of ours, :class:`InputError` for damaged ones.
    """
    if file.format == "PNG":
        return _read_png(data)
    tags = file.tag_v2  # type: ignore[attr-defined]
    channels = len(tags.get(BITS, (1,)))
    kinds = {1: (1,), 3: (2,), 4: (2,)}  # channels -> photometric: black is zero, RGB
    if tags.get(PHOTOMETRIC) not in kinds.get(channels, ()) or tags.get(PLANES, 1) != 1:
        raise NoPhotographError("16 bit TIFF that is no plain grey or RGB in one plane: convert it first")
    if PREMULTIPLIED in tags.get(EXTRA_SAMPLES, ()):
        raise NoPhotographError("16 bit TIFF with premultiplied alpha: convert it first")
    return _decoded(data, channels)


def encode_deep(samples: np.ndarray, kind: str, compression: int = 8) -> bytes:
    """uint16 (H, W, C) as a PNG or TIFF (``kind``) without metadata. ``compression``: the TIFF tag."""
    if kind == "PNG":
        return _written_png(samples)
    coding = compression if compression in WRITTEN_COMPRESSIONS else 8
    bgr = np.ascontiguousarray(samples[..., SWAPPED[samples.shape[2]]])
    return cv2.imencode(".tif", bgr, [cv2.IMWRITE_TIFF_COMPRESSION, coding])[1].tobytes()


def _decoded(data: bytes, channels: int) -> np.ndarray:
    """What OpenCV reads, as RGB; refuses anything but ``channels`` of 16 bits."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise InputError("not a readable picture: damaged 16 bit samples")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.dtype != np.uint16 or pixels.shape[2] != channels:
        raise NoPhotographError("16 bit picture of an unknown kind: convert it first")
    return pixels[..., SWAPPED[channels]]


def _read_png(data: bytes) -> np.ndarray:
    chunks = list(png_chunks(data))
    # Pixels alone: gamma, profiles and orientation are none of the decoder's business here.
    bare = png_file([chunk for chunk in chunks if chunk[0] in (b"IHDR", b"IDAT", b"IEND")])
    colour_type = chunks[0][1][9]
    channels = next(number for number, kind in COLOUR_TYPES.items() if kind == colour_type)
    samples = _decoded(bare, 4 if channels == 2 else channels)
    if channels == 2:
        samples = samples[..., [0, 3]]
    key = next((body for name, body in chunks if name == b"tRNS"), None)
    if key is None or channels in (2, 4):
        return samples
    seen = (samples != np.frombuffer(key, ">u2")).any(-1, keepdims=True)
    return np.concatenate([samples, seen.astype(np.uint16) * 65535], -1)


def _written_png(samples: np.ndarray) -> bytes:
    height, width, channels = samples.shape
    raw = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    lines = np.empty((height, raw.shape[1] + 1), np.uint8)
    lines[:, 0] = 1  # filter "sub": each byte less the same one of the pixel before
    lines[:, 1:] = raw
    lines[:, 1 + 2 * channels :] -= raw[:, : -2 * channels]
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    return png_file([(b"IHDR", header), (b"IDAT", zlib.compress(lines.data, 6)), (b"IEND", b"")])
