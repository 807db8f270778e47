"""Write the official lists of CelebA-HQ as OUTPUT/celebahq-official-PART.txt."""

from __future__ import annotations

import argparse
from pathlib import Path

from faceinpaint.data.splits import official_split
from faceinpaint.errors import InputError
from faceinpaint.storage import first_line, join, write_bytes


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="faceinpaint splits", description=__doc__)
    parser.add_argument("mapping", type=Path, help="CelebA-HQ-to-CelebA-mapping.txt")
    parser.add_argument("partition", type=Path, help="list_eval_partition.txt")
    parser.add_argument("output", help="folder or s3:// prefix")
    args = parser.parse_args(arguments)
    try:
        lists = official_split(args.mapping.read_text(), args.partition.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(first_line(error)) from None
    for part, numbers in lists.items():
        target = join(args.output, f"celebahq-official-{part}.txt")
        write_bytes(target, "".join(f"{number}\n" for number in numbers).encode())
        print(f"{len(numbers)} keys in {target}")
    return 0
