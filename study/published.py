"""Pictures and masks that another project published, restored by ours and measured beside its own results.

    python -m study.published PICTURES MASKS --results migan=RESULTS --polarity black-is-hole --output runs/published

Folders with files of the same names; faces fill their pictures. Prints, for ours, the classical fills and each of
``--results``: PSNR in the hole, LPIPS of the picture at 256 px, and detail as study.photographs has it. Writes
``OUTPUT/sheet.jpg``: damaged, ours, theirs, original.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from faceinpaint import restore
from faceinpaint.data.user_masks import POLARITIES
from faceinpaint.losses.perceptual import load_perceptual
from faceinpaint.models.baselines.classical.simple import biharmonic, telea
from faceinpaint.photos.decode import decode_rgb
from study.photographs import figures, tables_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--polarity", choices=POLARITIES[:2], default="white-is-hole")
    parser.add_argument("--results", nargs="*", default=[], metavar="NAME=FOLDER", help="of others")
    parser.add_argument("--weights", default="weights/faces256")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    restored = str(args.output / "restored")
    restore(
        input=str(args.pictures), masks=str(args.masks), mask_polarity=args.polarity, output=restored,
        weights=args.weights,
    )  # fmt: skip
    folders = {"ours": args.output / "restored"} | {
        name: Path(folder) for name, folder in (each.split("=", 1) for each in args.results)
    }
    distance, strips = load_perceptual("alex"), []
    rows: dict[tuple[str, str], list[list[float]]] = {}
    for path in sorted(args.pictures.iterdir()):
        truth = _read(path)
        white = _read(args.masks / path.name)[..., 0] > 127
        hole = (white == (args.polarity == "white-is-hole")).astype(np.uint8)
        before = np.where(hole[..., None] > 0, np.uint8(255), truth)
        others = {name: _read(folder / path.name) for name, folder in folders.items()}
        classical = {"telea": telea(before, hole), "biharmonic": biharmonic(before, hole)}
        for method, picture in (classical | others).items():
            box = (0, 0, truth.shape[1], truth.shape[0])
            rows.setdefault(("all", method), []).append(figures(picture, truth, hole, box, distance))
        strips.append(np.hstack([before, *others.values(), truth]))
    Image.fromarray(np.vstack(strips)).save(args.output / "sheet.jpg")
    print(tables_of(rows, "hole", distance))


def _read(path: Path) -> np.ndarray:
    return decode_rgb(path.read_bytes())


if __name__ == "__main__":
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    main()
