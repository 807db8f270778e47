"""What the detector's rules cost: how many damaged pixels are found, for each share of clean pictures left alone.

    python -m study.detector_rules FACES --weights weights/faces256 --shapes masks.parquet

For each extent (probability that a pixel needs), the evidence that a part needs is chosen so that given shares of the
clean pictures get no proposal. SEED and EXTENT of faceinpaint.inference.proposal come from this table. It uses the
first pictures of FACES and the shapes that training saw: study.detector measures on the others.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
import pyarrow.parquet as pq

from faceinpaint.data.damage.film import FilmShapes, read_film_shapes
from faceinpaint.inference.detector import Detector
from faceinpaint.inference.proposal import Rules, propose, scored_parts
from faceinpaint.models.weights import load_config
from study.damage_cases import VARIANTS, clean_pictures, counts, damaged_pictures
from study.detector import TUNED_ON

EXTENTS = (0.5, 0.7, 0.9)
ALONE = (0.97, 0.98, 0.985, 0.99)  # shares of clean pictures


def suspicions(detector: Detector, rows: list[dict]) -> np.ndarray:
    """The evidence of the most suspicious part of each clean picture, (pictures, extents)."""
    found = []
    for variant in VARIANTS:
        for _, picture in clean_pictures(rows if variant != "enlarged" else rows[::5], variant):
            probability = detector.probability(picture)
            found.append([scored_parts(probability, extent)[1].max(initial=0) for extent in EXTENTS])
    return np.array(found)


def found_and_right(detector: Detector, rows: list[dict], film: FilmShapes, rules: list[Rules]) -> np.ndarray:
    """Recall and precision of all damaged pixels under each of ``rules``, (rules, 2)."""
    sums = np.zeros((len(rules), 4))
    for case in damaged_pictures(rows, film, ()):
        probability = detector.probability(case.picture)
        sums += [counts(case, propose(probability, each, case.picture).hole) for each in rules]
    return np.stack([sums[:, 0] / sums[:, 1], sums[:, 2] / np.maximum(sums[:, 3], 1)], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", help="Parquet of held-out faces")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--shapes", required=True, help="Parquet of film damage")
    parser.add_argument("--damaged", type=int, default=12, help="pictures per kind of damage (%(default)s)")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows = pq.read_table(args.faces, columns=["key", "image"]).to_pylist()[:TUNED_ON]
    detector = Detector.load(args.weights, device="cpu")
    seeds = np.quantile(suspicions(detector, rows), ALONE, axis=0)
    film = read_film_shapes(args.shapes).for_training(load_config(args.weights).detector.kept_apart)
    places = [(share, extent) for share in range(len(ALONE)) for extent in range(len(EXTENTS))]
    rules = [Rules(seed=float(seeds[share, extent]), extent=EXTENTS[extent]) for share, extent in places]
    rates = found_and_right(detector, rows[-args.damaged :], film, rules)
    print("| clean left alone | pixel needs | part needs | pixels found | right |\n|---|---|---|---|---|")
    for (share, _), each, (recall, precision) in zip(places, rules, rates, strict=True):
        print(f"| {ALONE[share]:.1%} | {each.extent} | {each.seed:.2f} | {recall:.1%} | {precision:.1%} |")


if __name__ == "__main__":
    main()
