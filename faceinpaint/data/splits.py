"""Named lists of keys: which pictures are for training and which for judging, never drawn at run time.

CelebA-HQ's pictures are numbered 0 to 29999. Its splits in use:

- ``celebahq-28000-train``, ``celebahq-28000-val``: DeepFill's 28,000 and 2,000, as LaMa publishes them;
- ``celebahq-26000-train``, ``celebahq-26000-val``: LaMa draws 2,000 of the 28,000 without a seed, so its list is lost;
  ours are the 2,000 of least stable hash;
- ``celebahq-27000-train``, ``celebahq-27000-val``: the first 27,000 numbers and the last 3,000;
- the official 24,183 / 2,993 / 2,824 follow from CelebA's partition: :func:`official_split` computes them from the two
  files that come with the data, ``faceinpaint splits MAPPING PARTITION OUTPUT`` writes them down.
"""

from __future__ import annotations

import codecs
import unicodedata
from importlib import resources

from faceinpaint.errors import InputError
from faceinpaint.hashing import stable_hash
from faceinpaint.storage import first_line, read_bytes

MARKS = (  # the longer ones first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CELEBAHQ = range(30_000)
PARTS = ("train", "val", "test")  # 0, 1, 2 in list_eval_partition.txt
NAMES = tuple(f"celebahq-{count}-{part}" for count in (26_000, 27_000, 28_000) for part in ("train", "val"))


def read_split(name: str) -> frozenset[str]:
    """The entries of a named split, or of a text file with one per line (blank lines and ``#`` comments left out).

    Raises :class:`InputError` when it is neither or is empty.
    """
    if name in NAMES:
        return frozenset(map(str, _celebahq(name)))
    try:
        lines = as_unicode(read_bytes(name)).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(NAMES)
        raise InputError(f"split {name}: {first_line(error)}; name a text file of keys, or one of {known}") from None
    keys = _entries(lines)
    if not keys:
        raise InputError(f"split {name}: no keys in it; write one per line")
    return frozenset(keys)


def as_unicode(data: bytes) -> str:
    """The text of a file written by any editor: UTF-8, or UTF-16 and UTF-32 by their byte-order marks, which go.

    Accents come as parts of their letters (NFC). Raises ``UnicodeDecodeError`` for other alphabets.
    """
    coding = next((coding for mark, coding in MARKS if data.startswith(mark)), None)
    if coding is None:
        coding = {b"\0": "utf-16-be"}.get(data[:1]) or ("utf-16-le" if data[1:2] == b"\0" else "utf-8")
    return unicodedata.normalize("NFC", data.decode(coding).removeprefix("\ufeff"))


def matching_entry(key: str, split: frozenset[str]) -> str | None:
    """The entry of ``split`` that names ``key``, if any: the key itself, else its bare name.

    The bare name is the key without folders and extension; a number loses its leading zeros: ``hq/00012.png`` is
    named by ``12``.
    """
    key = unicodedata.normalize("NFC", key)
    bare = key.rpartition("/")[2]
    bare = bare.rpartition(".")[0] or bare
    if bare.isdecimal():
        bare = str(int(bare))
    return next((entry for entry in (key, bare) if entry in split), None)


def official_split(mapping: str, partition: str) -> dict[str, list[str]]:
    """CelebA-HQ numbers by part, from the texts of CelebA-HQ-to-CelebA-mapping.txt and list_eval_partition.txt.

    Raises :class:`InputError` where the two do not fit together.
    """
    part_of = {fields[0]: fields[1] for line in partition.splitlines() if len(fields := line.split()) > 1}
    lists: dict[str, list[str]] = {part: [] for part in PARTS}
    for line in mapping.splitlines():
        fields = line.split()
        if len(fields) != 3 or not fields[0].isdecimal():
            continue  # the heading
        number, _, file = fields
        if part_of.get(file) not in ("0", "1", "2"):
            raise InputError(
                f"{file}, CelebA-HQ's picture {number}, has no part in the partition: give CelebA's own file"
            )
        lists[PARTS[int(part_of[file])]].append(number)
    if not any(lists.values()):
        raise InputError("no rows 'idx orig_idx orig_file' in the mapping: give CelebA-HQ-to-CelebA-mapping.txt")
    return lists


def _celebahq(name: str) -> set[int]:
    _, count, part = name.split("-")
    if count == "27000":
        val = set(CELEBAHQ[27_000:])
        return val if part == "val" else set(CELEBAHQ) - val
    file = resources.files("faceinpaint.data") / "splits" / "celebahq-28000-val.txt"
    val = set(map(int, _entries(file.read_text().splitlines())))
    train = set(CELEBAHQ) - val
    if count == "28000":
        return val if part == "val" else train
    val = set(sorted(train, key=lambda number: stable_hash(str(number)))[:2_000])
    return val if part == "val" else train - val


def _entries(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
