"""Content credentials (C2PA): a signed statement in the file of what was done to it, and to which file.

c2pa-python makes and signs it, with a certificate of the user's. It goes into a place of its own in the file; that
nothing else changes is checked.
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from faceinpaint import __version__
from faceinpaint.errors import InputError
from faceinpaint.photos import png
from faceinpaint.photos.provenance import SOURCE_TYPE
from faceinpaint.photos.tiff_container import Tags, read_tiff
from faceinpaint.storage import first_line, read_bytes

LABEL = "org.faceinpaint.restoration"  # of the assertion that holds our statement
MIME = {"JPEG": "image/jpeg", "PNG": "image/png", "TIFF": "image/tiff", "WEBP": "image/webp", "GIF": "image/gif"}
SIGNED = ("JPEG", "PNG", "TIFF")
BOXES, SCAN = 0xEB, 0xDA  # markers of a JPEG: APP11, which holds credentials; start of scan
CHUNK, TAG = b"caBX", 52545  # that of a PNG, of a TIFF
UNKNOWN = "application/octet-stream"
CURVES = {256: "es256", 384: "es384", 521: "es512"}  # bits of an elliptic key -> C2PA's algorithm


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Who signs. certificate: a PEM file, the signer's certificate first and then those that vouch for it; key: a PEM
    file with its private key, without a password; paths or URIs that every process can read."""

    certificate: str
    key: str

    def check(self) -> None:
        """Sign a trial picture. Raises :class:`InputError` for what does not work."""
        trial = png.file_of(png.encode(np.zeros((16, 16, 3), np.uint8)))
        signed(self, "PNG", trial, trial, "PNG", {})


def can_hold(kind: str) -> bool:
    """Whether files of a format are signed."""
    return kind in SIGNED


def signed(credentials: Credentials, kind: str, data: bytes, old: bytes, old_kind: str, told: dict[str, Any]) -> bytes:
    """The file ``data`` of a format that :func:`can_hold`, with signed credentials.

    They say that the file ``old`` was opened and holes of it filled by a model; credentials that it had come along.
    told: more that is to be signed, as JSON. Raises :class:`InputError` when it cannot be signed, and ``RuntimeError``
    when anything else in the file changed.
    """
    import c2pa  # an extra, and large

    mime, sink = MIME[kind], io.BytesIO()
    try:
        builder = c2pa.Builder(_manifest(mime, told), _context())
        ingredient = {"title": "the picture before", "relationship": "parentOf", "label": "before"}
        builder.add_ingredient(ingredient, MIME.get(old_kind, UNKNOWN), io.BytesIO(old))
        builder.sign(_signer(credentials), mime, io.BytesIO(data), sink)
    except c2pa.C2paError as error:
        raise InputError(f"content credentials cannot be signed with {credentials.certificate}: {error}") from None
    new = sink.getvalue()
    if _all_else(kind, new) != _all_else(kind, data):
        raise RuntimeError(f"signing changed more of the {kind} than its content credentials")
    return new


def _all_else(kind: str, data: bytes) -> Any:
    """What a file holds beside content credentials, to compare."""
    if kind == "PNG":
        return [chunk for chunk in png.chunks(data) if chunk[0] != CHUNK]
    if kind == "TIFF":
        file = read_tiff(data)
        pages = [(_without_credentials(page.tags), page.segments, page.tiled) for page in file.pages]
        return file.order, file.big, pages
    segments, place = [], 2
    while data[place + 1] != SCAN:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4])
        if data[place + 1] != BOXES:
            segments.append(data[place:end])
        place = end
    return segments, data[place:]


def _without_credentials(tags: Tags) -> Tags:
    return {tag: value for tag, value in tags.items() if tag != TAG}


def _manifest(mime: str, told: dict[str, Any]) -> dict[str, Any]:
    """C2PA's manifest definition."""
    actions = [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": ["before"]}},
        {
            "action": "c2pa.edited",
            "digitalSourceType": SOURCE_TYPE,
            "description": "Holes were filled by a model; outside them the picture is the one before.",
        },
    ]
    return {
        "claim_generator_info": [{"name": "faceinpaint", "version": __version__}],
        "format": mime,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": LABEL, "data": told},
        ],
    }


@functools.cache
def _context() -> Any:
    """Without thumbnails, which would show the old picture, and without asking the network."""
    import c2pa

    quiet = {"remote_manifest_fetch": False, "ocsp_fetch": False}
    return c2pa.Context(c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}, "verify": quiet}))


@functools.lru_cache(maxsize=4)
def _signer(credentials: Credentials) -> Any:
    import c2pa

    certificate, key = (_read(path) for path in (credentials.certificate, credentials.key))
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(_algorithm(key, credentials.key), certificate, key, None))


def _read(path: str) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from None


def _algorithm(key: bytes, path: str) -> str:
    """C2PA's name of what a private key signs with."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is no private key in PEM without a password: {first_line(error)}") from None
    if isinstance(found, ec.EllipticCurvePrivateKey) and found.key_size in CURVES:
        return CURVES[found.key_size]
    kinds: list[tuple[type, str]] = [(rsa.RSAPrivateKey, "ps256"), (ed25519.Ed25519PrivateKey, "ed25519")]
    for kind, name in kinds:
        if isinstance(found, kind):
            return name
    raise InputError(f"{path} holds a key of a kind that C2PA does not sign with: use EC P-256, RSA or Ed25519")
