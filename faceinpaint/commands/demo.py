"""See it work: damage a real portrait in ten ways, restore it, compare it with the original, and print the page.

Needs no data: the portrait is scikit-image's public-domain photograph of the astronaut Eileen Collins.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from faceinpaint.data.faces import Face
from faceinpaint.errors import InputError

DEMO_MADE_IT = ".faceinpaint-demo"  # in a folder that the next demo may replace


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="faceinpaint demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="weights/faces256", help="weights folder (default %(default)s)")
    parser.add_argument("--output", default="runs/demo", help="local folder; an earlier demo in it is replaced")
    args = parser.parse_args(arguments)
    from faceinpaint.evaluation.portrait import write_page  # torch takes seconds: not for --help
    from faceinpaint.inference.restore import restore

    folder = Path(args.output)
    clear(folder)
    portrait, face = astronaut()
    names = write_cases(folder, portrait, face)
    here = {"weights": args.weights}
    masked = restore(input=f"{folder}/damaged", masks=f"{folder}/masks", output=f"{folder}/restored", **here)
    marked = restore(input=f"{folder}/marked", masks=f"color:{colour()}", output=f"{folder}/restored-marked", **here)
    restored = sum(rows.get(status, 0) for rows in (masked, marked) for status in ("restored", "restored-fallback"))
    page, figures = write_page(folder, names, portrait, face)
    print(figures)
    print(f"{restored} of {len(names)} restored")
    print(f"look at {page.resolve()}")
    return 0 if restored == len(names) else 1


def astronaut() -> tuple[np.ndarray, Face]:
    """The portrait uint8 RGB (512, 512, 3), and its face."""
    import skimage.data

    from faceinpaint.data.search import find_faces

    portrait = skimage.data.astronaut()
    faces = find_faces(portrait, np.zeros(portrait.shape[:2], np.uint8))
    assert faces, "the astronaut has a face"
    return portrait, faces[0]


def colour() -> str:
    """The marker's colour as a mask SPEC names it."""
    from faceinpaint.data.damage.portrait import MARKER

    return "#" + "".join(f"{level:02X}" for level in MARKER)


def clear(folder: Path) -> None:
    """Remove an earlier demo; refuse a folder that no demo made."""
    marker = folder / DEMO_MADE_IT
    if folder.exists() and any(folder.iterdir()):
        if not marker.exists():
            raise InputError(f"{folder} is not empty and no demo made it: choose another --output")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()


def write_cases(folder: Path, portrait: np.ndarray, face: Face) -> list[str]:
    """original/, damaged/ and masks/ (white is the hole), a file per case, and marked/; returns the cases' names.

    The marked picture is a JPEG without a mask: its colour says where the hole is.
    """
    from faceinpaint.data.damage.portrait import MARKED, ten_cases

    cases = ten_cases(portrait, face)
    for kind in ("original", "damaged", "masks", "marked"):
        (folder / kind).mkdir()
    for name, (damaged, hole) in cases.items():
        Image.fromarray(portrait).save(folder / "original" / f"{name}.png")
        if name == MARKED:
            Image.fromarray(damaged).save(folder / "marked" / f"{name}.jpg", quality=90)
            continue
        Image.fromarray(damaged).save(folder / "damaged" / f"{name}.png")
        Image.fromarray(hole * 255).save(folder / "masks" / f"{name}.png")
    return list(cases)
