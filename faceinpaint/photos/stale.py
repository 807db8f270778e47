"""What describes the old picture does not survive it: each rule here leaves something out, and says so.

Previews are made anew (see previews). Left out are: maps that belong to the old pixels (gain maps, depth maps),
pictures and videos behind the picture (MPF, motion photos), copies of it inside XMP and Photoshop's resources, layers,
and content credentials (C2PA), which would no longer verify. Everything else is copied as it stands.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from faceinpaint.photos.provenance import XPACKET_END, XPACKET_START

CREDENTIALS = "content credentials (they would no longer verify)"
GAIN_MAP, DEPTH_MAP = "gain map", "depth map"
MOTION = "motion photo"
LAYERS, PREVIEW = "layers", "preview"

# Namespace of XMP -> start of a property's name -> what it belongs to
STALE_XMP: dict[str, dict[str, str]] = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": {"": GAIN_MAP},
    "http://ns.apple.com/HDRGainMap/1.0/": {"": GAIN_MAP},
    "http://ns.google.com/photos/1.0/container/": {"": "list of the pictures behind the first"},
    "http://ns.google.com/photos/1.0/camera/": {"MicroVideo": MOTION, "MotionPhoto": MOTION},
    "http://ns.google.com/photos/1.0/depthmap/": {"": DEPTH_MAP},
    "http://ns.google.com/photos/dd/1.0/device/": {"": DEPTH_MAP},
    "http://ns.google.com/photos/1.0/image/": {"": "copy of the picture in XMP"},
    "http://ns.adobe.com/xap/1.0/": {"Thumbnails": PREVIEW},
    "http://purl.org/dc/terms/": {"provenance": CREDENTIALS},
}
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RESOURCES = b"Photoshop 3.0\0"  # starts a JPEG's APP13
RESOURCE_MARK = b"8BIM"
THUMBNAILS = (1033, 1036)  # Photoshop's resources
XMP, EXTENDED_XMP, EXIF = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0", b"Exif\0\0"
COPIES_IN_XMP = (b"GDepth:Data", b"GImage:Data", b"Device:")
ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496"
MPF = b"MPF\0"

Segment = tuple[int, bytes]


def fresh_segments(segments: list[Segment], xmp: bytes) -> tuple[list[Segment], list[str]]:
    """A JPEG's segments without what describes the old picture, with the packet ``xmp``; and what was left out."""
    kept: list[Segment] = []
    notes: list[str] = []
    for marker, content in segments:
        note = _stale_segment(marker, content)
        if note is not None:
            notes.append(note)
        elif marker == 0xE0 and content.startswith(b"JFIF\0") and any(content[12:14]):
            notes.append(PREVIEW)
            kept.append((marker, content[:12] + bytes(2)))
        elif marker == 0xED and content.startswith(RESOURCES):
            fresh, dropped = fresh_resources(content[len(RESOURCES) :])
            notes += dropped
            kept.append((marker, RESOURCES + fresh))
        elif not (marker == 0xE1 and content.startswith(XMP)):
            kept.append((marker, content))
    place = next((i for i, (marker, _) in enumerate(kept) if marker != 0xE0), len(kept))  # JFIF comes first
    kept.insert(place, (0xE1, XMP + xmp))
    return kept, notes


def _stale_segment(marker: int, content: bytes) -> str | None:
    """Why a whole segment is left out; None for those that are not."""
    if marker == 0xE0 and content.startswith(b"JFXX\0"):
        return PREVIEW
    if marker == 0xE1 and content.startswith(EXTENDED_XMP) and any(word in content for word in COPIES_IN_XMP):
        return "copy of the picture or its depth in extended XMP"
    if marker == 0xE2 and content.startswith(MPF):
        return "list of the pictures behind the first (MPF)"
    if marker == 0xE2 and content.startswith(ISO_GAIN_MAP):
        return GAIN_MAP
    if marker == 0xEB and content.startswith(b"JP"):  # JUMBF, which the first segment of several names
        return CREDENTIALS if b"c2pa" in content or b"jumb" not in content else "boxes of JPEG systems (JUMBF)"
    return None


def jpeg_tail(tail: bytes) -> list[str]:
    """What the bytes behind the end of a JPEG are, which no new file takes along."""
    tail = tail.strip(b"\0")
    if not tail:
        return []
    if b"ftyp" in tail[:64]:
        return ["video behind the picture (motion photo)"]
    if tail.startswith(b"\xff\xd8"):
        return ["pictures behind the first (gain map, preview)"]
    return [f"{len(tail)} bytes behind the picture"]


def fresh_resources(resources: bytes) -> tuple[bytes, list[str]]:
    """Photoshop's image resources without thumbnails, and what was left out."""
    kept = [raw for number, raw in _resources(resources) if number not in THUMBNAILS]
    fresh = b"".join(kept)
    return fresh, [PREVIEW] if len(fresh) < len(resources) else []


def _resources(resources: bytes) -> Iterator[tuple[int | None, bytes]]:
    """(number, all bytes) of each resource; what is none, at the end, has no number."""
    place = 0
    while resources[place : place + 4] == RESOURCE_MARK and place + 12 <= len(resources):
        number = int.from_bytes(resources[place + 4 : place + 6])
        name = resources[place + 6] + 1
        head = place + 6 + name + name % 2
        size = int.from_bytes(resources[head : head + 4])
        end = head + 4 + size + size % 2
        yield number, resources[place:end]
        place = end
    if place < len(resources):
        yield None, resources[place:]


def fresh_xmp(packet: bytes | None) -> tuple[bytes | None, list[str]]:
    """An XMP packet without what describes the old picture, and what was left out; untouched where there is nothing.

    A packet that is not well-formed is returned as it is.
    """
    if not packet or not any(name.encode() in packet for name in STALE_XMP):
        return packet, []
    try:
        names = dict(value for _, value in ET.iterparse(io.BytesIO(packet.strip(b"\0")), events=["start-ns"]))
        root = ET.fromstring(packet.strip(b"\0"))
    except ET.ParseError:
        return packet, []
    notes = []
    for description in root.iter(f"{{{RDF}}}Description"):
        for name in [name for name in description.attrib if _stale_name(name)]:
            notes.append(_stale_name(name))
            del description.attrib[name]
        for child in [child for child in description if _stale_name(child.tag)]:
            notes.append(_stale_name(child.tag))
            description.remove(child)
    if not notes:
        return packet, []
    for prefix, uri in names.items():
        if prefix and not prefix.startswith("ns"):
            ET.register_namespace(prefix, uri)
    return XPACKET_START + ET.tostring(root) + XPACKET_END, sorted({note for note in notes if note})


def _stale_name(name: str) -> str | None:
    """What a property, {namespace}name, belongs to when it describes the old picture."""
    namespace, _, local = name.removeprefix("{").partition("}")
    starts = STALE_XMP.get(namespace, {})
    return next((what for start, what in starts.items() if local.startswith(start)), None)


def joined(notes: list[str]) -> str | None:
    """The ledger's column ``dropped``; None where nothing was."""
    return "; ".join(dict.fromkeys(notes)) or None
