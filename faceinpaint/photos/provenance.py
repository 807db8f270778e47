"""Says in a restored file's own metadata that part of it was invented (XMP, with IPTC's digital source type)."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

NAMESPACE = "https://faceinpaint.org/ns/1.0/"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
XPACKET_START = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
XPACKET_END = b'<?xpacket end="w"?>'
EMPTY = (
    XPACKET_START + b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>' + XPACKET_END
)
END = b"</rdf:RDF>"
TRAILER = b"<?xpacket end"


def with_provenance(xmp: bytes | None, statement: dict[str, str]) -> bytes:
    """The picture's XMP packet (or a new one) with ``statement``, name to value, as properties of our namespace.

    A packet that is damaged beyond adding to is replaced; its padding is given up for room.
    """
    packet = xmp if xmp and END in xmp and _is_utf8(xmp) else EMPTY
    properties = "".join(f" faceinpaint:{name}={quoteattr(value)}" for name, value in statement.items())
    description = (
        '<rdf:Description xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" rdf:about=""'
        f' xmlns:faceinpaint="{NAMESPACE}" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f' Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"{properties}/>'
    )
    before, end, after = packet.rpartition(END)
    content, trailer, rest = after.partition(TRAILER)
    return before + description.encode() + end + content.rstrip() + trailer + rest


def _is_utf8(packet: bytes) -> bool:
    try:
        packet.decode()
    except UnicodeDecodeError:
        return False
    return True
