"""Names in ZIP files that do not say their alphabet: old tools wrote the code page of the machine they ran on.

Python reads such names as cp437. Here all names of an archive are judged together: the code page that makes words of
them, letters of one script and no box drawings, is the one that they were written in.
"""

from __future__ import annotations

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from itertools import pairwise

UTF8_FLAG = 0x800  # of a member whose name is UTF-8
UNICODE_PATH = 0x7075  # extra field of Info-ZIP's: the name again, as UTF-8
MADE_BY_DOS = 0  # whose tools may write backslashes between folders
# Commonest first: the order decides between equals. Python's names.
CODE_PAGES = (
    "cp437", "cp932", "cp936", "cp866", "cp850", "cp852", "cp949", "cp950", "cp1252", "cp1251", "cp737", "cp862",
)  # fmt: skip
WIDE = ("cp932", "cp936", "cp949", "cp950")  # of two bytes a letter
SAMPLE = 2_000  # names that are judged
RARE, COMMON = -2.0, 1.0  # points of a character
ACCENTED = 0.9
MIXED = -1.0  # points of neighbours of two scripts, or of a capital within a word
MOST = 0.7  # of a word's letters are accented in no language
SURE = 8  # Korean letters that are no chance


def member_names(members: Iterable[zipfile.ZipInfo]) -> list[str]:
    """The names of an archive's members, in their order, as they were meant."""
    members = list(members)
    raw = [_raw(member) for member in members]
    unclear = [name for name in raw if isinstance(name, bytes) and not name.isascii()]
    page = code_page(unclear[:SAMPLE]) if unclear else "ascii"
    names = (name if isinstance(name, str) else _decoded(name, page) for name in raw)
    return [_slashed(name, member) for name, member in zip(names, members, strict=True)]


def code_page(names: list[bytes]) -> str:
    """The encoding in which most of ``names`` (not all ASCII) are words: UTF-8 if they can be, else the likeliest."""
    if all(_decodes(name, "utf-8") for name in names):
        return "utf-8"
    best = max(CODE_PAGES, key=lambda page: sum(_points(name, page) for name in names))
    # Korean makes Chinese characters too, but Chinese hardly ever makes Korean ones alone.
    if best == "cp936" and all(_decodes(name, "cp949") for name in names):
        strange = [letter for name in names for letter in name.decode("cp949") if not letter.isascii()]
        if len(strange) >= SURE and all(_script(letter) == "HANGUL" for letter in strange):
            return "cp949"
    return best


def _raw(member: zipfile.ZipInfo) -> bytes | str:
    """The name as bytes where the archive does not say its alphabet."""
    said = _unicode_path(member)
    if said is not None:
        return said
    if member.flag_bits & UTF8_FLAG:
        return member.filename
    try:
        return member.orig_filename.encode("cp437")
    except UnicodeEncodeError:  # Python was told another alphabet
        return member.filename


def _unicode_path(member: zipfile.ZipInfo) -> str | None:
    """What Info-ZIP's extra field says, if it belongs to this name."""
    extra = member.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        body, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and len(body) > 5 and body[0] == 1:
            original = member.orig_filename.encode("utf-8" if member.flag_bits & UTF8_FLAG else "cp437", "replace")
            if struct.unpack("<I", body[1:5])[0] == zlib.crc32(original) and _decodes(body[5:], "utf-8"):
                return body[5:].decode()
    return None


def _decoded(name: bytes, page: str) -> str:
    """``name`` by the archive's code page, or by cp437, which reads anything, where it does not fit."""
    return name.decode(page) if _decodes(name, page) else name.decode("cp437")


def _slashed(name: str, member: zipfile.ZipInfo) -> str:
    name = name.partition("\0")[0]
    return name.replace("\\", "/") if member.create_system == MADE_BY_DOS and "/" not in name else name


def _decodes(name: bytes, page: str) -> bool:
    try:
        name.decode(page)
    except UnicodeDecodeError:
        return False
    return True


def _points(name: bytes, page: str) -> float:
    """How much ``name`` looks like words in ``page``, per byte that is not ASCII."""
    try:
        text = name.decode(page)
    except UnicodeDecodeError:
        return 10 * RARE
    strange = [letter for letter in text if not letter.isascii()]
    points = sum(_worth(letter, page) for letter in strange) / max(len(strange), 1)
    letters = sum(letter.isalpha() for letter in text.rpartition(".")[0] or text)
    if page not in WIDE and strange and "LATIN" in unicodedata.name(strange[0], "") and len(strange) > MOST * letters:
        points += MIXED
    pairs = [(a, b) for a, b in pairwise(text) if a.isalpha() and b.isalpha()]
    breaks = sum(_script(a) != _script(b) or (a.islower() and b.isupper()) for a, b in pairs)
    return points + MIXED * breaks / max(len(pairs), 1)


def _worth(character: str, page: str) -> float:
    code = ord(character)
    if page in WIDE:
        if 0x3040 <= code <= 0x30FF or 0xAC00 <= code <= 0xD7A3:  # kana, Hangul
            return COMMON
        if 0xFF61 <= code <= 0xFF9F:  # half-width kana: any bytes look like them
            return RARE / 2
        return COMMON if 0x4E00 <= code <= 0x9FFF and _is_common(character) else RARE / 2
    if not unicodedata.category(character).startswith("L"):
        return RARE
    if "LATIN" in unicodedata.name(character, ""):
        return ACCENTED if unicodedata.decomposition(character) or character in "ßæøåœÆØÅŒłŁđĐıªº" else 0.0
    return ACCENTED if _script(character) in ("CYRILLIC", "GREEK", "HEBREW") else 0.0


def _is_common(character: str) -> bool:
    """Whether a Chinese character is of the first level of GB 2312, of JIS X 0208, or of Big5."""
    for page, low, high in (("gb2312", 0xB0, 0xD7), ("euc_jp", 0xB0, 0xCF), ("big5", 0xA4, 0xC6)):
        try:
            lead = character.encode(page)
        except UnicodeEncodeError:
            continue
        if len(lead) == 2 and low <= lead[0] <= high:
            return True
    return False


def _script(character: str) -> str:
    name = unicodedata.name(character, "").split(" ")[0]
    return "HAN" if name in ("CJK", "HIRAGANA", "KATAKANA") else name
