"""A photograph of an archive: decoded for the model, and written back as what it was but for the hole.

Policies: JPEG, PNG, WebP, TIFF, BMP and AVIF are restored and stay what they are; other formats, animations and
multi-page files are skipped, since they would lose something. Palettes become RGB and 1 bit becomes 8 bit grey, which
changes no colour outside the hole. EXIF orientation, where it is a tag, stays a tag over stored pixels; TIFF's is
applied when its pixels are decoded, and the tag goes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError

from faceinpaint.errors import InputError, NoPhotographError
from faceinpaint.photos.metadata import graft, graft_png
from faceinpaint.photos.sixteen_bit import MODES, encode_deep, is_deep, read_deep

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF")
GRAFTED = ("JPEG", "PNG", "TIFF")
SMALLEST_SIDE = 16  # pixels
LARGEST_AREA = 120_000_000  # pixels
LOSSY_QUALITY = 95  # of WebP and AVIF, whose files do not say theirs
ORIENTATION = 0x0112  # EXIF tag
OF_ONE_BIT = ("group3", "group4", "tiff_ccitt")  # TIFF compressions that cannot hold what becomes grey
SIMPLE_MODES = {"1": "L", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}
KEPT_MODES = ("L", "LA", "RGB", "RGBA", "CMYK")


@dataclass(frozen=True)
class Photo:
    """A decoded picture.

    samples: as the file has them, (H, W, C), uint8 or, of 16 bit files, uint16; mode: what the channels are, one of
    KEPT_MODES; format: of the file; lossless: whether that coding is; orientation: its EXIF tag, 1-8; file: the opened
    picture, for its metadata; data: its bytes.
    """

    samples: np.ndarray
    mode: str
    format: str
    lossless: bool
    orientation: int
    file: Image.Image
    data: bytes

    @property
    def rgb(self) -> np.ndarray:
        """Upright uint8 RGB (H, W, 3); 16 bits are cut to 8."""
        levels = self.samples if self.samples.dtype == np.uint8 else (self.samples >> 8).astype(np.uint8)
        return upright(np.asarray(_image(levels, self.mode).convert("RGB")), self.orientation)

    @property
    def alpha(self) -> np.ndarray | None:
        """Upright transparency uint8 (H, W), 255 opaque; None without."""
        if self.mode not in ("LA", "RGBA"):
            return None
        levels = self.samples[..., -1] >> (8 if self.samples.dtype == np.uint16 else 0)
        return upright(levels.astype(np.uint8), self.orientation)

    def with_hole(self, restored: np.ndarray, hole: np.ndarray, opaque: bool = False) -> np.ndarray:
        """Samples with the hole's taken from ``restored``; every other one is the file's.

        restored: upright uint8 RGB (H, W, 3); hole: upright uint8 (H, W), 1 in the hole. ``opaque``: hole pixels lose
        their transparency.
        """
        inside = stored(hole, self.orientation) > 0
        mode = self.mode.removesuffix("A")
        new = Image.fromarray(np.ascontiguousarray(stored(restored, self.orientation))).convert(mode)
        full = np.iinfo(self.samples.dtype).max
        samples, colours = self.samples.copy(), np.asarray(new).reshape(*inside.shape, -1)
        samples[inside, : colours.shape[2]] = colours[inside].astype(samples.dtype) * (full // 255)
        if opaque and mode != self.mode:
            samples[inside, -1] = full
        return samples


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W, ...), turned as EXIF's ``orientation`` (1-8) says."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[_flips(orientation)])


def stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Inverse of :func:`upright`."""
    pixels = pixels[_flips(orientation)]
    return pixels.swapaxes(0, 1) if orientation >= 5 else pixels


def _flips(orientation: int) -> tuple[slice, slice]:
    """Of rows and columns, for upright pixels."""
    return slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1), slice(
        None, None, -1 if orientation in (2, 3, 6, 7) else 1
    )


def read_photo(data: bytes) -> Photo:
    """Decode a file's bytes.

    Raises :class:`NoPhotographError` for what is no picture or not ours to restore, :class:`InputError` for a damaged
    picture.
    """
    try:
        file = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise NoPhotographError("not a picture of a known format and kind") from None
    except Image.DecompressionBombError as error:
        raise NoPhotographError(str(error)) from None
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"not a readable picture: {error}") from None
    _check_kind(file, data)
    deep = is_deep(file, data)
    try:
        file.load()
        orientation = file.getexif().get(ORIENTATION, 1)
        samples, mode = _deep_samples(file, data) if deep else _samples(_to_kept_mode(file))
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(f"not a readable picture: {error}") from None
    if orientation not in range(1, 9):
        orientation = 1
    return Photo(samples, mode, str(file.format), _is_lossless(file, data), orientation, file, data)


def _check_kind(file: Image.Image, data: bytes) -> None:
    """Raises :class:`NoPhotographError` for formats, sizes and kinds that are not restored."""
    width, height = file.size
    kind = "JPEG" if file.format == "MPO" else file.format  # a JPEG with depth maps or previews behind it
    if kind not in FORMATS:
        raise NoPhotographError(f"{file.format} is not restored: convert it to PNG first")
    if getattr(file, "is_animated", False) or file.format == "MPO":
        raise NoPhotographError(f"{file.format} of several pictures: split it into single ones first")
    if min(width, height) < SMALLEST_SIDE or width * height > LARGEST_AREA:
        limits = f"from {SMALLEST_SIDE} px a side to {LARGEST_AREA // 10**6} megapixels"
        raise NoPhotographError(f"{width}x{height} pixels: pictures {limits} are restored")
    if kind == "AVIF" and _is_deep_avif(data):
        raise NoPhotographError("AVIF of more than 8 bits would become 8: convert it first if that is acceptable")
    if kind == "TIFF" and 1 in file.tag_v2.get(338, ()):  # type: ignore[attr-defined]
        raise NoPhotographError("TIFF with premultiplied alpha would change: convert it first")


def _is_deep_avif(data: bytes) -> bool:
    place = data.find(b"av1C")  # the decoder's configuration; bit 6 of its third byte says "high bit depth"
    return 0 <= place < len(data) - 6 and data[place + 6] & 0x40 > 0


def _deep_samples(file: Image.Image, data: bytes) -> tuple[np.ndarray, str]:
    samples = read_deep(file, data)
    return samples, MODES[samples.shape[2]]


def _samples(image: Image.Image) -> tuple[np.ndarray, str]:
    samples = np.asarray(image)
    return samples.reshape(*samples.shape[:2], -1), image.mode


def _image(samples: np.ndarray, mode: str) -> Image.Image:
    return Image.frombytes(mode, (samples.shape[1], samples.shape[0]), samples.tobytes())


def _to_kept_mode(file: Image.Image) -> Image.Image:
    mode = file.mode
    if mode == "P":
        return file.convert("RGBA" if "transparency" in file.info else "RGB")
    if mode in ("L", "RGB") and "transparency" in file.info:
        return file.convert(mode[0] + "A" if mode == "L" else "RGBA")
    if mode in SIMPLE_MODES:
        return file.convert(SIMPLE_MODES[mode])
    if mode not in KEPT_MODES:
        raise NoPhotographError(f"pictures of mode {mode} are not restored: convert it to RGB first")
    return file


def encode_photo(photo: Photo, samples: np.ndarray, xmp: bytes, as_png: bool = False) -> bytes:
    """``samples`` (of :meth:`Photo.with_hole`) as a file of the photo's own format, or PNG, with its metadata.

    ``xmp`` replaces the photo's. JPEG keeps its quantisation tables and chroma sampling. Lossless files are read back
    and compared: raises ``RuntimeError`` if a sample differs.
    """
    kind = "PNG" if as_png else photo.format
    if samples.dtype == np.uint16:
        data = _encode_deep(photo, samples, xmp, kind)
    else:
        image = _image(samples, photo.mode)
        if as_png and photo.mode == "CMYK":
            image = image.convert("RGB")
            samples = np.asarray(image)
        data = _encoded(image, kind, _options(photo, kind, xmp))
    if kind == photo.format and kind in GRAFTED:
        data = graft(kind, data, photo.data, xmp)
    if (kind == "PNG" or photo.lossless) and not np.array_equal(read_photo(data).samples, samples):
        raise RuntimeError(f"the written {kind} does not read back as it was")
    return data


def _encode_deep(photo: Photo, samples: np.ndarray, xmp: bytes, kind: str) -> bytes:
    compression = photo.file.tag_v2.get(259, 1) if kind == "TIFF" else 0  # type: ignore[attr-defined]
    data = encode_deep(samples, kind, compression)
    if kind == photo.format:
        return data
    carrier = _encoded(Image.new("L", (1, 1)), "PNG", _options(photo, "PNG", xmp))  # Pillow knows how to write metadata
    return graft_png(data, carrier, xmp)


def _encoded(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def _options(photo: Photo, kind: str, xmp: bytes) -> dict[str, Any]:
    """What ``Image.save`` needs to keep the coding of the file, and the metadata where no graft will."""
    file, info = photo.file, photo.file.info
    options: dict[str, Any] = {"dpi": info["dpi"]} if info.get("dpi") else {}
    if kind == "JPEG":
        options |= {"qtables": file.quantization, "progressive": bool(info.get("progressive"))}  # type: ignore[attr-defined]
        sampling = JpegImagePlugin.get_sampling(file)  # type: ignore[arg-type]
        return options | ({"subsampling": sampling} if sampling >= 0 else {})
    if kind == "TIFF":
        compression = info.get("compression", "raw")
        return options | {"compression": "tiff_lzw" if compression in OF_ONE_BIT else compression}
    if kind == "BMP":
        return options
    options |= {name: info[name] for name in ("exif", "icc_profile") if info.get(name)}
    if kind == "PNG":
        if photo.mode == "CMYK":
            options.pop("icc_profile", None)  # it speaks of inks
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return options | {"pnginfo": chunks}
    coding = {"lossless": True, "exact": True} if photo.lossless else {"quality": LOSSY_QUALITY}
    return options | {"xmp": xmp, **coding}


def _is_lossless(file: Image.Image, data: bytes) -> bool:
    if file.format == "WEBP":
        return b"VP8L" in data[:64]
    return file.format in ("PNG", "BMP") or (file.format == "TIFF" and "jpeg" not in str(file.info.get("compression")))
