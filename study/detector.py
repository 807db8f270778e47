"""How good the detector is, on faces and kinds of damage that it has not seen: tables, curves and the worst cases.

    python -m study.detector FACES --weights weights/faces256 --shapes masks.parquet --output runs/detector-study

FACES: held-out pictures (Parquet: key, image). Clean: each as it is, aged (grey, grain, sharpening, JPEG), and enlarged
three times. Damaged: each kind drawn onto each picture; kinds with a star were kept out of training. A pixel counts as
damaged where opaque damage of at least 2 px changed it by 22 levels or more; found within 2 px is found. What is
see-through, fainter or thinner counts neither way.

The proposal's constants were set by study.detector_rules on the first --skip pictures, which no figure here uses.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from faceinpaint.data.damage.film import read_film_shapes
from faceinpaint.inference.detector import Detector
from faceinpaint.inference.proposal import Rules, propose, scored_parts
from faceinpaint.models.weights import load_config
from study.damage_cases import VARIANTS, Case, clean_pictures, counts, damaged_pictures

USUAL = 0.5  # sensitivity
SENSITIVITIES = (0.1, 0.2, 0.3, 0.4, USUAL, 0.6, 0.7, 0.8, 0.9)
PIXELS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)  # probabilities, of the map without any rule
RAW = "map without rules"
TUNED_ON = 210  # first pictures, see study.detector_rules
WORST = 24


def measure_clean(detector: Detector, rows: list[dict], variant: str) -> tuple[dict, list]:
    """Shares of pictures left alone and of pixels flagged at each sensitivity, and the most suspicious pictures."""
    alone, flagged, worst = np.zeros(len(SENSITIVITIES)), np.zeros(len(SENSITIVITIES)), []
    for key, picture in clean_pictures(rows, variant):
        probability = detector.probability(picture)
        for i, sensitivity in enumerate(SENSITIVITIES):
            hole = propose(probability, Rules.of_sensitivity(sensitivity), picture).hole
            alone[i] += not hole.any()
            flagged[i] += hole.mean()
        worst.append((float(scored_parts(probability, Rules().extent)[1].max(initial=0)), key, picture, probability))
        worst = sorted(worst, key=lambda each: -each[0])[:WORST]
    shares = zip(SENSITIVITIES, alone / len(rows), flagged / len(rows), strict=True)
    table = {str(each): {"left_alone": float(a), "flagged": float(f)} for each, a, f in shares}
    return table, worst


def measure_damaged(detector: Detector, cases: Iterator[Case]) -> tuple[dict, list]:
    """Recall and precision by kind and sensitivity, of the map alone by probability, and the pictures found worst."""
    sums: dict[tuple[str, float], np.ndarray] = {}
    worst: list = []
    for case in cases:
        probability = detector.probability(case.picture)
        for sensitivity in SENSITIVITIES:
            own = counts(case, propose(probability, Rules.of_sensitivity(sensitivity), case.picture).hole)
            sums[case.kind, sensitivity] = sums.get((case.kind, sensitivity), 0) + own
            if sensitivity == USUAL and case.truth.any():
                score = (own[0] + own[2]) / max(own[1] + own[3], 1)
                worst.append((-score, f"{case.kind} {case.key}", case.picture, probability))
        for level in PIXELS:
            sums[RAW, level] = sums.get((RAW, level), 0) + counts(case, (probability >= level).astype(np.uint8))
        worst = sorted(worst, key=lambda each: -each[0])[:WORST]
    kinds = sorted({kind for kind, _ in sums} - {RAW})
    damaged = {kind: sums[kind, USUAL][1] for kind in kinds}
    kinds.sort(key=lambda kind: -damaged[kind])
    groups = {
        "all": kinds,
        "kinds seen in training": [kind for kind in kinds if "*" not in kind],
        "kinds kept apart*": [kind for kind in kinds if "*" in kind],
    } | {kind: [kind] for kind in kinds}
    table = {
        name: {str(each): _rates(np.sum([sums[kind, each] for kind in chosen], 0)) for each in SENSITIVITIES}
        | {"share": sum(damaged[kind] for kind in chosen) / sum(damaged.values())}
        for name, chosen in groups.items()
    }
    table[RAW] = {str(level): _rates(sums[RAW, level]) for level in PIXELS}
    return table, worst


def _rates(sums: np.ndarray) -> dict[str, float]:
    found, damaged, right, marked = sums
    return {"recall": found / max(damaged, 1), "precision": right / max(marked, 1)}


def seconds_of_twelve_megapixels(detector: Detector) -> float:
    """CPU seconds for a picture of 4000 x 3000 pixels, from pixels to the proposal."""
    picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8), (4000, 3000))
    detector(picture[:512, :512])
    began = time.process_time()
    detector(np.asarray(picture, np.uint8))
    return time.process_time() - began


def sheet(worst: list, path: Path) -> None:
    """The worst cases, eight a row: the picture, and above it what was found in magenta."""
    cells = []
    for _, _, picture, probability in worst:
        marked = np.where((probability >= 0.5)[..., None], np.array([255, 0, 255], np.uint8), picture)
        cells.append(cv2.resize(np.vstack([picture, marked]), (160, 320), interpolation=cv2.INTER_AREA))
    cells += [np.full((320, 160, 3), 255, np.uint8)] * (-len(cells) % 8)
    grid = np.vstack([np.hstack(cells[i : i + 8]) for i in range(0, len(cells), 8)])
    cv2.imwrite(str(path), grid[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def curves(clean: dict, damaged: dict, path: Path) -> None:
    """Recall and precision of damage, and the share of clean pictures left alone, over the sensitivities."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    for name in ("kinds seen in training", "kinds kept apart*", RAW):
        points = [damaged[name][str(each)] for each in (PIXELS if name == RAW else SENSITIVITIES)]
        style = "--" if name == RAW else "-"
        axes[0].plot([p["recall"] for p in points], [p["precision"] for p in points], style, marker="o", label=name)
    for variant, table in clean.items():
        left = [table[str(each)]["left_alone"] for each in SENSITIVITIES]
        axes[1].plot(SENSITIVITIES, left, marker="o", label=f"clean, {variant}")
    axes[0].set(xlabel="damaged pixels found", ylabel="precision", title="damage, by sensitivity")
    axes[1].set(xlabel="sensitivity", ylabel="pictures left alone", title="clean pictures")
    for axis in axes:
        axis.legend()
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def markdown(results: dict) -> str:
    """The tables of docs/review.md."""
    columns = [str(USUAL), "0.6", "0.8"]
    lines = [
        "| | as it is | " + " | ".join(f"`--sensitivity {each}`" for each in columns[1:]) + " |",
        "|---|---|---|---|",
    ]
    for variant, table in results["clean"].items():
        cells = [f"{table[each]['left_alone']:.1%} left alone, {table[each]['flagged']:.3%} marked" for each in columns]
        lines.append(f"| clean, {variant} | {' | '.join(cells)} |")
    for kind, table in results["damaged"].items():
        if kind != RAW:
            cells = [f"{table[each]['recall']:.0%} found, {table[each]['precision']:.0%} right" for each in columns]
            lines.append(f"| {kind} ({table['share']:.1%} of the damage) | {' | '.join(cells)} |")
    raw = [
        f"{level} {rates['recall']:.0%}/{rates['precision']:.0%}" for level, rates in results["damaged"][RAW].items()
    ]
    lines += ["", f"{RAW}, by probability, found/right: {', '.join(raw)}"]
    lines += ["", f"12 megapixels: {results['seconds_12_megapixels']:.2f} s of one core ({results['precision']})."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", help="Parquet of held-out faces")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--shapes", required=True, help="Parquet of film damage")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--skip", type=int, default=TUNED_ON, help="first pictures, which the rules were set on (%(default)s)"
    )
    parser.add_argument("--clean", type=int, default=90, help="clean pictures (%(default)s)")
    parser.add_argument("--damaged", type=int, default=24, help="pictures per kind of damage (%(default)s)")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    args.output.mkdir(parents=True, exist_ok=True)
    rows = pq.read_table(args.faces, columns=["key", "image"]).to_pylist()[args.skip :]
    detector = Detector.load(args.weights, device="cpu")
    apart = load_config(args.weights).detector.kept_apart
    film = read_film_shapes(args.shapes).for_measuring(apart)
    results: dict = {"precision": detector.precision, "clean": {}, "pictures": len(rows)}
    for variant in VARIANTS:
        some = rows[: args.clean] if variant != "enlarged" else rows[: args.clean // 5]
        results["clean"][variant], worst = measure_clean(detector, some, variant)
        sheet(worst, args.output / f"worst-clean-{variant}.jpg")
    results["damaged"], worst = measure_damaged(detector, damaged_pictures(rows[-args.damaged :], film, apart))
    sheet(worst, args.output / "worst-damaged.jpg")
    results["seconds_12_megapixels"] = seconds_of_twelve_megapixels(detector)
    (args.output / "results.json").write_text(json.dumps(results, indent=1))
    curves(results["clean"], results["damaged"], args.output / "curves.png")
    (args.output / "tables.md").write_text(markdown(results))
    print(markdown(results))


if __name__ == "__main__":
    main()
