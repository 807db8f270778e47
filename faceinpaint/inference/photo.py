"""A photograph of an archive: decoded for the model, and written back as what it was but for the hole.

Policies: JPEG, PNG, WebP, TIFF, BMP and AVIF are restored and stay what they are; other formats, animations and
multi-page files are skipped, since they would lose something. Palettes become RGB and 1 bit becomes 8 bit grey, which
changes no colour outside the hole. EXIF orientation, where it is a tag, stays a tag over stored pixels.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError

from faceinpaint.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF")
SMALLEST_SIDE = 16  # pixels
LARGEST_AREA = 120_000_000  # pixels
LOSSY_QUALITY = 95  # of WebP and AVIF, whose files do not say theirs
ORIENTATION = 0x0112  # EXIF tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
BACK = UPRIGHT | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
SIMPLE_MODES = {"1": "L", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "I;16B": "I;16", "I;16L": "I;16"}
KEPT_MODES = ("L", "LA", "RGB", "RGBA", "CMYK", "I;16")


class NoPhotographError(InputError):
    """The file is not one that this package restores; the message says why."""


@dataclass(frozen=True)
class Photo:
    """A decoded picture.

    stored: as the file has it, of a mode in KEPT_MODES; format: of the file; lossless: whether that coding is;
    orientation: its EXIF tag, 1-8; file: the opened picture, for its metadata.
    """

    stored: Image.Image
    format: str
    lossless: bool
    orientation: int
    file: Image.Image

    @property
    def rgb(self) -> np.ndarray:
        """Upright uint8 RGB (H, W, 3); 16 bits are scaled to 8."""
        image = self.stored
        if image.mode == "I;16":
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return np.asarray(self._turned(image.convert("RGB"), UPRIGHT))

    @property
    def alpha(self) -> np.ndarray | None:
        """Upright transparency uint8 (H, W), 255 opaque; None without."""
        if self.stored.mode not in ("LA", "RGBA"):
            return None
        return np.asarray(self._turned(self.stored.getchannel("A"), UPRIGHT))

    def with_hole(self, restored: np.ndarray, hole: np.ndarray, opaque: bool = False) -> Image.Image:
        """The stored picture with the hole's pixels taken from ``restored``; every other sample is the stored one.

        restored: upright uint8 RGB (H, W, 3); hole: upright uint8 (H, W), 1 in the hole. ``opaque``: hole pixels lose
        their transparency.
        """
        mode = self.stored.mode
        new = self._turned(Image.fromarray(restored), BACK)
        inside = np.asarray(self._turned(Image.fromarray(hole), BACK)) > 0
        samples = np.array(self.stored)
        if mode == "I;16":
            samples[inside] = np.asarray(new.convert("L"))[inside].astype(np.uint16) * 257
        elif mode in ("LA", "RGBA"):
            colours = np.asarray(new.convert("L" if mode == "LA" else "RGB")).reshape(*inside.shape, -1)
            samples[inside, :-1] = colours[inside]
            if opaque:
                samples[inside, -1] = 255
        else:
            samples[inside] = np.asarray(new.convert(mode))[inside]
        return _cmyk(samples) if mode == "CMYK" else Image.fromarray(samples)

    def _turned(self, image: Image.Image, how: dict[int, Image.Transpose]) -> Image.Image:
        return image.transpose(how[self.orientation]) if self.orientation in how else image


def read_photo(data: bytes) -> Photo:
    """Decode a file's bytes.

    Raises :class:`NoPhotographError` for what is no picture or not ours to restore, :class:`InputError` for a damaged
    picture.
    """
    try:
        file = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise NoPhotographError("not a picture of a known format") from None
    except Image.DecompressionBombError as error:
        raise NoPhotographError(str(error)) from None
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"not a readable picture: {error}") from None
    _check_kind(file, data)
    try:
        file.load()
        orientation = file.getexif().get(ORIENTATION, 1)
        stored = _to_kept_mode(file)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(f"not a readable picture: {error}") from None
    return Photo(stored, str(file.format), _is_lossless(file, data), orientation if orientation in UPRIGHT else 1, file)


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
    deep_png = file.format == "PNG" and data[24:25] == b"\x10" and file.mode != "I;16"
    bits = file.tag_v2.get(258, (8,)) if file.format == "TIFF" else (8,)  # type: ignore[attr-defined]
    if deep_png or (len(bits) > 1 and max(bits) > 8):
        raise NoPhotographError("16 bits a colour channel would become 8: convert it first if that is acceptable")


def _to_kept_mode(file: Image.Image) -> Image.Image:
    mode = file.mode
    if mode == "P":
        return file.convert("RGBA" if "transparency" in file.info else "RGB")
    if mode in ("L", "RGB") and "transparency" in file.info:
        return file.convert(mode[0] + "A" if mode == "L" else "RGBA")
    if mode == "I" and file.format == "PNG":  # 16 bit grey, as some decoders give it
        return Image.fromarray(np.asarray(file).astype(np.uint16))
    if mode in SIMPLE_MODES:
        return file.convert(SIMPLE_MODES[mode])
    if mode not in KEPT_MODES:
        raise NoPhotographError(f"pictures of mode {mode} are not restored: convert it to RGB first")
    return file


def encode_photo(photo: Photo, picture: Image.Image, xmp: bytes, as_png: bool = False) -> bytes:
    """``picture`` (of :meth:`Photo.with_hole`) as bytes of the photo's own format, or PNG, with the photo's metadata.

    ``xmp`` replaces the photo's. JPEG keeps its quantisation tables and chroma sampling. Lossless files are read back
    and compared: raises ``RuntimeError`` if a sample differs.
    """
    kind = "PNG" if as_png else photo.format
    if as_png and picture.mode == "CMYK":
        picture = picture.convert("RGB")
    sink = io.BytesIO()
    picture.save(sink, kind, **_options(photo, kind, xmp))
    data = sink.getvalue()
    if kind == "PNG" or photo.lossless:
        with Image.open(io.BytesIO(data)) as again:
            if not np.array_equal(np.asarray(_to_kept_mode(again)), np.asarray(picture)):
                raise RuntimeError(f"the written {kind} does not read back as it was")
    return data


def _options(photo: Photo, kind: str, xmp: bytes) -> dict[str, Any]:
    """What ``Image.save`` needs to keep metadata and coding of the file."""
    file, info = photo.file, photo.file.info
    options: dict[str, Any] = {name: info[name] for name in ("icc_profile", "dpi") if info.get(name)}
    if kind != "BMP" and info.get("exif"):
        options["exif"] = info["exif"]
    if kind == "JPEG":
        options |= {"xmp": xmp, "qtables": file.quantization, "progressive": bool(info.get("progressive"))}  # type: ignore[attr-defined]
        sampling = JpegImagePlugin.get_sampling(file)  # type: ignore[arg-type]
        options |= {"subsampling": sampling} if sampling >= 0 else {}
    elif kind == "PNG":
        options["pnginfo"] = _png_chunks(file, xmp)
    elif kind == "TIFF":
        options.pop("exif", None)
        tags = file.tag_v2  # type: ignore[attr-defined]
        structure = {254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338}
        kept = {tag: tags[tag] for tag in tags if tag not in structure and tag not in (700, 34675, 34665, 34853)}
        options |= {"compression": info.get("compression", "raw"), "tiffinfo": kept | {700: xmp}}
    elif kind in ("WEBP", "AVIF"):
        coding = {"lossless": True, "exact": True} if photo.lossless else {"quality": LOSSY_QUALITY}
        options |= {"xmp": xmp, **coding}
    return options


def _png_chunks(file: Image.Image, xmp: bytes) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    for name, text in getattr(file, "text", {}).items():
        if name != "XML:com.adobe.xmp":
            chunks.add_itxt(name, text) if not text.isascii() else chunks.add_text(name, text)
    chunks.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return chunks


def _is_lossless(file: Image.Image, data: bytes) -> bool:
    if file.format == "WEBP":
        return b"VP8L" in data[:64]
    return file.format in ("PNG", "BMP") or (file.format == "TIFF" and "jpeg" not in str(file.info.get("compression")))


def _cmyk(samples: np.ndarray) -> Image.Image:
    return Image.frombytes("CMYK", (samples.shape[1], samples.shape[0]), samples.tobytes())
