"""What describes the old picture does not survive it; all else does."""

import io
import struct
import zlib

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import ExifTags, Image

from faceinpaint.errors import NoPhotographError
from faceinpaint.photos import png
from faceinpaint.photos.photo import encode_photo, read_photo
from faceinpaint.photos.provenance import with_provenance
from faceinpaint.photos.stale import fresh_resources, fresh_xmp, joined
from tests.encoded import encoded

FACE = np.ascontiguousarray(skimage.data.astronaut()[:240, 60:380])
MARKER = (255, 0, 255)
HOLE = np.zeros(FACE.shape[:2], np.uint8)
HOLE[60:180, 80:240] = 1
DAMAGED = FACE.copy()
DAMAGED[HOLE == 1] = MARKER
MOTION = b"\0\0\0\x18ftypmp42" + bytes(500)


def coded(picture, kind="JPEG", **options):
    return encoded(picture, kind, **options)


THUMBNAIL = coded(DAMAGED[::2, ::2], quality=80)
WIDE = coded(np.pad(DAMAGED[::3, ::3], ((10, 10), (0, 0), (0, 0))), quality=80)  # with bars above and below


def exif_block(*previews):
    """EXIF with a camera, previews in a maker's note, and the first of them as thumbnail too."""
    note = b"MakerCo\0" + b"\0\0between\0".join(previews)
    inner_at = 8 + 2 + 2 * 12 + 4
    note_at = inner_at + 2 + 12 + 4
    thumb_at = note_at + len(note) + 2 + 36 + 4
    ifd0 = struct.pack("<HHHI4sHHII", 2, 0x10F, 2, 4, b"Cam\0", 0x8769, 4, 1, inner_at)
    inner = struct.pack("<HHHIII", 1, 0x927C, 7, len(note), note_at, 0)
    ifd1 = struct.pack("<H", 3) + struct.pack("<HHIHH", 0x103, 3, 1, 6, 0)
    ifd1 += struct.pack("<HHII", 0x201, 4, 1, thumb_at) + struct.pack("<HHII", 0x202, 4, 1, len(previews[0]))
    head = b"II*\0" + struct.pack("<I", 8)
    return head + ifd0 + struct.pack("<I", note_at + len(note)) + inner + note + ifd1 + bytes(4) + previews[0]


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def with_segments(data, *segments):
    return data[:2] + b"".join(segment(*one) for one in segments) + data[2:]


def restored(data, **options):
    photo = read_photo(data)
    xmp, dropped = fresh_xmp(photo.file.xmp)
    change = photo.whole().change(FACE, HOLE)
    written = encode_photo(photo.file, change, with_provenance(xmp, {"Hole": "0.1"}), **options)
    return written.data, dropped + written.dropped


def magenta(data):
    """How much marker colour a picture shows, 0 to 1."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    return float((np.abs(pixels - MARKER).max(-1) < 90).mean())


def thumbnail_of(data):
    block = Image.open(io.BytesIO(data)).info["exif"].removeprefix(b"Exif\0\0")
    exif = Image.Exif()
    exif.load(block)
    tags = exif.get_ifd(ExifTags.IFD.IFD1)
    assert exif[0x10F] == "Cam"
    return block[tags[0x201] : tags[0x201] + tags[0x202]]


CASES = {
    "JPEG": coded(DAMAGED, quality=92, exif=b"Exif\0\0" + exif_block(THUMBNAIL, WIDE)),
    "PNG": coded(DAMAGED, "PNG", exif=exif_block(THUMBNAIL, WIDE)),
    "WEBP": coded(DAMAGED, "WEBP", lossless=True, exif=exif_block(THUMBNAIL, WIDE)),
}


@pytest.mark.parametrize("kind", CASES)
def test_thumbnails_and_makers_previews_are_made_anew_in_their_place(kind):
    data = CASES[kind]
    assert magenta(thumbnail_of(data)) > 0.15
    after, dropped = restored(data)
    assert dropped.count("preview made anew") == 3
    old, new = (Image.open(io.BytesIO(one)).info["exif"].removeprefix(b"Exif\0\0") for one in (data, after))
    assert len(old) == len(new)
    assert magenta(thumbnail_of(after)) < 0.01
    for size in ((160, 120), (107, 100)):
        found = [image for image in jpegs_in(new) if Image.open(io.BytesIO(image)).size == size]
        assert found
        assert max(map(magenta, found)) < 0.01
    places = [i for i in range(len(old) - 8) if old[i : i + 7] == b"between"]
    assert all(new[i : i + 7] == b"between" for i in places)
    small = np.asarray(Image.open(io.BytesIO(thumbnail_of(after)))).astype(int)
    assert np.abs(small - FACE[::2, ::2]).mean() < 12
    bars = np.asarray(Image.open(io.BytesIO(next(i for i in jpegs_in(new) if Image.open(io.BytesIO(i)).height == 100))))
    assert bars[:8].mean() < 12 < bars[12:-12].mean()


def jpegs_in(block):
    starts = [i for i in range(len(block)) if block[i : i + 3] == b"\xff\xd8\xff"]
    return [block[start : block.index(b"\xff\xd9", start) + 2] for start in starts]


def test_a_preview_without_room_is_blanked():
    tiny = coded(np.full((120, 160, 3), 255, np.uint8), quality=1, optimize=True)
    data = coded(DAMAGED, quality=92, exif=b"Exif\0\0" + exif_block(tiny))
    after, dropped = restored(data)
    assert dropped == ["preview (a new one had no room)"] * 2
    assert tiny not in after
    assert not jpegs_in(Image.open(io.BytesIO(after)).info["exif"])


GAIN = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' + (
    b'<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
    b' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" GCamera:BurstID="7"'
    b' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    b"<dc:creator><rdf:Seq><rdf:li>Someone &amp; Co</rdf:li></rdf:Seq></dc:creator>"
    b"<xmp:Thumbnails><rdf:Alt><rdf:li>/9j/4AAQ</rdf:li></rdf:Alt></xmp:Thumbnails></rdf:Description>"
    b"</rdf:RDF></x:xmpmeta>"
)


def test_xmp_loses_what_belongs_to_the_old_pixels_alone():
    fresh, dropped = fresh_xmp(b"<?xpacket begin='' id='W5M0'?>" + GAIN + b"<?xpacket end='w'?>")
    assert dropped == ["gain map", "motion photo", "preview"]
    for word in (b"hdrgm:Version", b"MotionPhoto", b"Thumbnails", b"/9j/"):
        assert word not in fresh
    for word in (b'xmp:Rating="5"', b'GCamera:BurstID="7"', b"<dc:creator>", b"Someone &amp; Co", b"<?xpacket end"):
        assert word in fresh
    assert fresh_xmp(fresh) == (fresh, [])
    plain = (
        GAIN.replace(b"hdr-gain-map", b"other").replace(b"photos/1.0/camera", b"x").replace(b"xmp:Thumb", b"dc:Thumb")
    )
    assert fresh_xmp(plain) == (plain, [])  # untouched, to the byte
    assert fresh_xmp(GAIN[:-9]) == (GAIN[:-9], [])
    assert fresh_xmp(None) == (None, [])


def resource(number, content):
    return b"8BIM" + struct.pack(">HBBI", number, 0, 0, len(content)) + content + bytes(len(content) % 2)


def test_segments_of_a_jpeg_by_rule():
    caption, guides = resource(1028, b"\x1c\x02x\0\x07caption"), resource(1032, bytes(7))
    own = [
        (0xE0, b"JFXX\0\x10" + THUMBNAIL),
        (0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"),
        (0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa"),
        (0xEB, b"JP\0\1\0\0\0\2more of it"),
        (0xED, b"Photoshop 3.0\0" + caption + resource(1036, bytes(28) + THUMBNAIL) + guides),
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + bytes(8) + b"<GImage:Data>/9j/"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + GAIN),
        (0xE9, b"mine\0data"),
        (0xFE, b"comment"),
    ]
    after, dropped = restored(with_segments(coded(DAMAGED, quality=92, icc_profile=b"p" * 400), *own) + MOTION)
    image = Image.open(io.BytesIO(after))
    assert image.app["APP13"] == b"Photoshop 3.0\0" + caption + guides
    assert image.app["APP9"] == b"mine\0data"
    assert image.info["comment"] == b"comment"
    assert image.info["icc_profile"] == b"p" * 400
    assert b"hdrgm:Version" not in image.info["xmp"]
    assert b"xmp:Rating" in image.info["xmp"]
    assert THUMBNAIL not in after
    for word in (b"JFXX", b"c2pa", b"GImage", b"21496", b"ftyp"):
        assert word not in after
    said = joined(dropped)
    for word in ("gain map", "motion photo", "preview", "content credentials", "video behind", "extended XMP"):
        assert word in said
    assert said.count("content credentials") == 1


def multi(*companions, xmp=b"<hdr-gain-map/>"):
    """An MPO of Pillow's, whose pictures behind the first have no kind."""
    sink = io.BytesIO()
    first = Image.fromarray(DAMAGED)
    first.save(sink, "MPO", save_all=True, append_images=[Image.fromarray(c) for c in companions], quality=90, xmp=xmp)
    return sink.getvalue()


def test_gain_maps_and_previews_behind_a_jpeg_go_and_photographs_do_not():
    small = DAMAGED[::4, ::4].copy()
    after, dropped = restored(multi(small, xmp=b""))
    assert Image.open(io.BytesIO(after)).format == "JPEG"
    assert after.count(b"\xff\xd8\xff") == 1
    assert "pictures behind the first (gain map, preview)" in dropped
    assert any("MPF" in note for note in dropped)
    restored(multi(DAMAGED))  # a gain map of full size, declared as such
    with pytest.raises(NoPhotographError, match="several pictures"):
        read_photo(multi(DAMAGED, xmp=b""))


def test_chunks_of_a_png_by_rule():
    parts = list(png.chunks(coded(DAMAGED, "PNG")))
    hidden = b"Raw profile type exif\0\0" + zlib.compress(
        b"\nexif\n%8d\n" % len(exif_block(THUMBNAIL)) + exif_block(THUMBNAIL).hex().encode()
    )
    harmless = b"Raw profile type iptc\0\0" + zlib.compress(b"\niptc\n       4\n41424344\n")
    own = [(b"caBX", b"jumb"), (b"iDOT", bytes(28)), (b"prVW", b"preview"), (b"zTXt", hidden), (b"zTXt", harmless)]
    own.append((b"tEXt", b"Author\0someone"))
    after, dropped = restored(png.file_of([parts[0], *own, *parts[1:]]))
    names = [name for name, _ in png.chunks(after)]
    assert not {b"caBX", b"iDOT", b"prVW"} & set(names)
    assert (b"zTXt", harmless) in png.chunks(after)
    assert (b"tEXt", b"Author\0someone") in png.chunks(after)
    assert (b"zTXt", hidden) not in png.chunks(after)
    assert joined(dropped) == "content credentials (they would no longer verify); layers; preview"


def test_layers_and_previews_of_a_tiff_go():
    layers = b"Adobe Photoshop Document Data Block\0" + bytes(range(250)) * 16
    irb = resource(1028, b"\x1c\x02x\0\x07caption") + resource(1036, bytes(28) + THUMBNAIL)
    tags = [(37724, 7, len(layers), layers, True), (34377, 7, len(irb), irb, True), (65000, 2, 5, b"mine\0", True)]
    sink = io.BytesIO()
    tifffile.imwrite(sink, DAMAGED, photometric="rgb", compression="lzw", extratags=tags, metadata=None)
    after, dropped = restored(sink.getvalue())
    assert layers[-3000:] not in after  # not even as bytes that nothing points to
    assert THUMBNAIL not in after
    page = tifffile.TiffFile(io.BytesIO(after)).pages[0]
    assert 37724 not in page.tags
    assert page.tags[65000].value == "mine"
    assert bytes(page.tags[34377].value) == resource(1028, b"\x1c\x02x\0\x07caption")
    assert joined(dropped) == "layers; preview"


def test_resources_that_are_damaged_are_kept_as_they_are():
    assert fresh_resources(b"no resources") == (b"no resources", [])
    assert fresh_resources(b"") == (b"", [])
