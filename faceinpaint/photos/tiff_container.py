"""TIFF as a container: directories of tags, read and written in the file's own byte order, classic or BigTIFF.

What a tag holds is carried as its bytes; nothing is understood that need not be. A directory inside another (EXIF, GPS)
is a directory here too. Pixels are segments (strips or tiles), as they are coded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

from faceinpaint.errors import InputError

STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS = 273, 279, 324, 325
SUBDIRECTORIES = 330
POINTERS = (34665, 34853, 40965)  # to directories of EXIF, GPS and interoperability
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
SHORT, LONG, LONG8 = 3, 4, 16  # types
NUMBERS = {1: "B", SHORT: "H", LONG: "I", 13: "I", LONG8: "Q", 18: "Q"}
MOST_PAGES = 10_000

Value = tuple[int, int, bytes]  # type, count, bytes in the file's order
Tags = dict[int, "Value | Tags"]


@dataclass(frozen=True)
class Page:
    """A picture of a TIFF. ``tags``: all but those that say where the segments lie; ``tiled``: tiles, else strips."""

    tags: Tags
    segments: list[bytes]
    tiled: bool


@dataclass(frozen=True)
class Tiff:
    """A TIFF. ``order``: "<" or ">", as struct has it; ``big``: BigTIFF; ``dropped``: what was not read, and why."""

    order: str
    big: bool
    pages: list[Page]
    dropped: list[str] = field(default_factory=list)

    def numbers(self, page: int, tag: int) -> tuple[int, ...]:
        """The whole numbers of a tag; () when it is missing or holds something else."""
        return _numbers(self.pages[page].tags.get(tag), self.order)

    def with_page(self, index: int, page: Page) -> Tiff:
        return replace(self, pages=[page if i == index else old for i, old in enumerate(self.pages)])


def number_value(order: str, *values: int, kind: int = LONG) -> Value:
    """Whole numbers as a tag's value."""
    return kind, len(values), struct.pack(f"{order}{len(values)}{NUMBERS[kind]}", *values)


def read_tiff(data: bytes) -> Tiff:
    """Every page of a TIFF, previews in subdirectories left out. Raises :class:`InputError` for a damaged one."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        raise InputError("not a readable picture: no TIFF header")
    big = struct.unpack(f"{order}H", data[2:4])[0] == 43
    reader = _Reader(data, order, big)
    place = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)[0]
    pages: list[Page] = []
    seen, dropped = set[int](), list[str]()
    while place and place not in seen and len(pages) < MOST_PAGES:
        seen.add(place)
        tags, place = reader.directory(place)
        if tags.pop(SUBDIRECTORIES, None) is not None:
            dropped.append("smaller pictures of it (SubIFDs)")
        pages.append(reader.page(tags))
    if not pages:
        raise InputError("not a readable picture: a TIFF without a page")
    return Tiff(order, big, pages, dropped)


@dataclass(frozen=True)
class _Reader:
    data: bytes
    order: str
    big: bool

    def directory(self, offset: int, depth: int = 0) -> tuple[Tags, int]:
        """The tags at ``offset``, and where the next directory lies.

        Tags that point out of the file, or are of a type unknown to TIFF 6, are left out.
        """
        head = struct.Struct(f"{self.order}{'Q' if self.big else 'H'}")
        entry = struct.Struct(f"{self.order}HH{'Q8s' if self.big else 'I4s'}")
        pointer = struct.Struct(f"{self.order}{'Q' if self.big else 'I'}")
        if offset + head.size > len(self.data):
            return {}, 0
        (count,) = head.unpack_from(self.data, offset)
        start = offset + head.size
        tags: Tags = {}
        for place in range(start, min(start + count * entry.size, len(self.data) - entry.size + 1), entry.size):
            tag, kind, number, inline = entry.unpack_from(self.data, place)
            there = pointer.unpack(inline)[0]
            if tag in POINTERS:
                if depth < 2:
                    tags[tag] = self.directory(there, depth + 1)[0]
                continue
            size = SIZES.get(kind, 0) * number
            values = inline[:size] if size <= len(inline) else self.data[there : there + size]
            if size and len(values) == size:
                tags[tag] = (kind, number, values)
        after = start + count * entry.size
        following = pointer.unpack_from(self.data, after)[0] if after + pointer.size <= len(self.data) else 0
        return tags, following

    def page(self, tags: Tags) -> Page:
        tiled = TILE_OFFSETS in tags
        names = (TILE_OFFSETS, TILE_COUNTS) if tiled else (STRIP_OFFSETS, STRIP_COUNTS)
        offsets, counts = (_numbers(tags.get(name), self.order) for name in names)
        if not offsets or len(offsets) != len(counts):
            raise InputError("not a readable picture: a TIFF page without pixels")
        if max(a + b for a, b in zip(offsets, counts, strict=True)) > len(self.data):
            raise InputError("not a readable picture: the TIFF is cut short")
        segments = [self.data[a : a + b] for a, b in zip(offsets, counts, strict=True)]
        rest = {tag: value for tag, value in tags.items() if tag not in names}
        return Page(rest, segments, tiled)


def write_tiff(tiff: Tiff) -> bytes:
    """The file of ``tiff``. Raises :class:`InputError` when it would be too large for its kind."""
    pointer = struct.Struct(f"{tiff.order}{'Q' if tiff.big else 'I'}")
    magic = b"II" if tiff.order == "<" else b"MM"
    start = struct.pack(f"{tiff.order}HHH", 43, 8, 0) if tiff.big else struct.pack(f"{tiff.order}H", 42)
    parts = [magic + start, b""]  # the second: where the first directory lies
    fix, length = 1, len(parts[0]) + pointer.size
    try:
        for page in tiff.pages:
            places = []
            for segment in page.segments:
                places.append(length)
                parts.append(segment + bytes(len(segment) % 2))
                length += len(parts[-1])
            parts[fix] = pointer.pack(length)
            block = _directory_bytes(_with_places(tiff, page, places), length, tiff.order, tiff.big)
            table, behind = block
            parts += [table, b"", behind]
            fix = len(parts) - 2
            length += len(table) + pointer.size + len(behind)
        parts[fix] = pointer.pack(0)
    except struct.error:
        raise InputError("the TIFF would be larger than 4 GiB: make it a BigTIFF first") from None
    return b"".join(parts)


def _with_places(tiff: Tiff, page: Page, places: list[int]) -> Tags:
    names = (TILE_OFFSETS, TILE_COUNTS) if page.tiled else (STRIP_OFFSETS, STRIP_COUNTS)
    kind = LONG8 if tiff.big else LONG
    counts = [len(segment) for segment in page.segments]
    return page.tags | {
        names[0]: number_value(tiff.order, *places, kind=kind),
        names[1]: number_value(tiff.order, *counts, kind=kind),
    }


def _directory_bytes(tags: Tags, offset: int, order: str, big: bool) -> tuple[bytes, bytes]:
    """A directory that will stand at ``offset``, an even number, but for the pointer that ends it; and what stands
    behind that pointer."""
    room = 8 if big else 4
    count = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    entry = struct.Struct(f"{order}HH{'Q' if big else 'I'}")
    pointer = struct.Struct(f"{order}{'Q' if big else 'I'}")
    after = offset + len(count) + (entry.size + room) * len(tags) + room
    table, behind = [count], bytearray()
    for tag, value in sorted(tags.items(), key=lambda item: item[0]):
        there = after + len(behind)
        if isinstance(value, dict):
            inner, rest = _directory_bytes(value, there, order, big)
            table.append(entry.pack(tag, LONG8 if big else LONG, 1) + pointer.pack(there))
            behind += inner + bytes(room) + rest
            continue
        kind, number, values = value
        if len(values) <= room:
            table.append(entry.pack(tag, kind, number) + values.ljust(room, b"\0"))
        else:
            table.append(entry.pack(tag, kind, number) + pointer.pack(there))
            behind += values + bytes(len(values) % 2)
    return b"".join(table), bytes(behind)


def _numbers(value: Value | Tags | None, order: str) -> tuple[int, ...]:
    if not isinstance(value, tuple) or value[0] not in NUMBERS:
        return ()
    return struct.unpack(f"{order}{value[1]}{NUMBERS[value[0]]}", value[2])
