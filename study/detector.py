"""How good the detector is, on faces and kinds of damage that it has not seen: tables, curves and the worst cases.

    python -m study.detector FACES --weights weights/faces256 --shapes masks.parquet --output runs/detector-study

FACES: held-out pictures (Parquet: key, image). Clean: each as it is, aged (grey, grain, sharpening, JPEG), and enlarged
three times. Damaged: each kind drawn onto each picture; kinds with a star were kept out of training. A pixel counts as
damaged where opaque damage of at least 2 px changed it by 22 levels or more; found within 2 px is found. What is
see-through, fainter or thinner counts neither way.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from faceinpaint.data.damage.draw import Layer
from faceinpaint.data.damage.film import FilmShapes, read_film_shapes
from faceinpaint.data.damage.kinds import KINDS
from faceinpaint.data.damage.looks import aged, scanned
from faceinpaint.data.damage.paint import LEAST_CHANGE, TRACE, laid_over
from faceinpaint.data.masks import generated_hole, parse_generated
from faceinpaint.hashing import stable_hash
from faceinpaint.inference.detector import Detector
from faceinpaint.inference.proposal import Rules, propose, scored_parts
from faceinpaint.models.weights import load_config
from faceinpaint.photos.decode import decode_rgb

OPAQUE = 0.9  # coverage from which on damage counts
NEAR = np.ones((5, 5), np.uint8)  # 2 px about a pixel
SEEDS = (0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98)
GENERATED = ("freeform:0.02-0.15", "squares:48")  # strokes and squares of restoration's own tests, in flat colours
WORST = 24
ENLARGED = 3


@dataclass(frozen=True, kw_only=True)
class Case:
    """A damaged picture uint8 (H, W, 3); truth: uint8 (H, W), 1 damaged; unsure: bool (H, W), counts neither way."""

    kind: str
    key: str
    picture: np.ndarray
    truth: np.ndarray
    unsure: np.ndarray


def rules_of(seed: float) -> Rules:
    """The rules whose thresholds lie as far from the usual ones as ``seed`` from the usual seed."""
    return Rules(seed=seed, thin_seed=seed + Rules().thin_seed - Rules().seed)


def clean_pictures(rows: list[dict], variant: str) -> Iterator[tuple[str, np.ndarray]]:
    """(key, picture) of undamaged pictures: "plain", "aged" or "enlarged"."""
    for row in rows:
        picture = decode_rgb(row["image"])
        if variant == "aged":
            random = np.random.default_rng(stable_hash(f"aged/{row['key']}"))
            picture = scanned(random, aged(random, picture.astype(np.float32)))
        if variant == "enlarged":
            picture = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        yield row["key"], picture


def damaged_pictures(rows: list[dict], film: FilmShapes, apart: tuple[str, ...]) -> Iterator[Case]:
    """Every kind on every picture of ``rows``."""
    kinds = [*KINDS, *(f"film {kind}" for kind in film.shapes), *GENERATED]
    for kind in kinds:
        for row in rows:
            picture = decode_rgb(row["image"]).astype(np.float32)
            random = np.random.default_rng(stable_hash(f"{kind}/{row['key']}"))
            starred = kind in GENERATED or kind in [f"film {each}" for each in apart]
            yield _case(f"{kind}{'*' * starred}", row["key"], picture, _layers(kind, row["key"], film, random), random)


def _layers(kind: str, key: str, film: FilmShapes, random: np.random.Generator) -> list[Layer]:
    if kind.startswith("film "):
        return film.layers(random, 256, kind.removeprefix("film "))
    if kind in KINDS:
        return KINDS[kind](random, 256)
    spec = parse_generated(kind)
    assert spec is not None
    hole = generated_hole(spec, key, 256, 256, 256).astype(np.float32)
    return [Layer(coverage=hole, colour=random.integers(0, 256, 3).astype(np.float32))]


def _case(kind: str, key: str, picture: np.ndarray, layers: list[Layer], random: np.random.Generator) -> Case:
    size = picture.shape[0]
    cut = [Layer(coverage=e.coverage[:size, :size], colour=e.colour, mode=e.mode) for e in layers]
    after, coverage = laid_over(picture, cut)
    seen = (coverage >= OPAQUE) & (np.abs(after - picture).max(2) >= LEAST_CHANGE)
    truth = np.asarray(cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)), np.uint8)
    unsure = (coverage > TRACE) & (truth == 0)
    return Case(kind=kind, key=key, picture=scanned(random, after), truth=truth, unsure=unsure)


def counts(case: Case, hole: np.ndarray) -> np.ndarray:
    """(damaged pixels found, damaged, marked rightly, marked) with the tolerance."""
    near_truth, near_hole = cv2.dilate(case.truth, NEAR) > 0, cv2.dilate(hole, NEAR) > 0
    marked = (hole > 0) & ~(case.unsure & ~near_truth)
    found = (case.truth > 0) & near_hole
    return np.array([found.sum(), case.truth.sum(), (marked & near_truth).sum(), marked.sum()], float)


def measure_clean(detector: Detector, rows: list[dict], variant: str) -> tuple[dict, list]:
    """Shares of pictures left alone and of pixels flagged at each seed, and the most suspicious pictures."""
    alone, flagged, worst = np.zeros(len(SEEDS)), np.zeros(len(SEEDS)), []
    for key, picture in clean_pictures(rows, variant):
        probability = detector.probability(picture)
        for i, seed in enumerate(SEEDS):
            hole = propose(probability, rules_of(seed)).hole
            alone[i] += not hole.any()
            flagged[i] += hole.mean()
        worst.append((float(scored_parts(probability, 0.5)[1].max(initial=0)), key, picture, probability))
        worst = sorted(worst, key=lambda each: -each[0])[:WORST]
    shares = zip(SEEDS, alone / len(rows), flagged / len(rows), strict=True)
    table = {str(seed): {"left_alone": float(a), "flagged": float(f)} for seed, a, f in shares}
    return table, worst


def measure_damaged(detector: Detector, cases: Iterator[Case]) -> tuple[dict, list]:
    """Recall and precision by kind and seed, and the pictures found worst."""
    sums: dict[tuple[str, float], np.ndarray] = {}
    worst: list = []
    for case in cases:
        probability = detector.probability(case.picture)
        for seed in SEEDS:
            own = counts(case, propose(probability, rules_of(seed)).hole)
            sums[case.kind, seed] = sums.get((case.kind, seed), 0) + own
            if seed == Rules().seed and case.truth.any():
                score = (own[0] + own[2]) / max(own[1] + own[3], 1)
                worst.append((-score, f"{case.kind} {case.key}", case.picture, probability))
        worst = sorted(worst, key=lambda each: -each[0])[:WORST]
    kinds = sorted({kind for kind, _ in sums})
    table = {kind: {str(seed): _rates(sums[kind, seed]) for seed in SEEDS} for kind in kinds}
    for name, chosen in {
        "all": kinds,
        "kinds seen in training": [kind for kind in kinds if "*" not in kind],
        "kinds kept apart*": [kind for kind in kinds if "*" in kind],
    }.items():
        table[name] = {str(seed): _rates(np.sum([sums[kind, seed] for kind in chosen], 0)) for seed in SEEDS}
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
    """Recall and precision against the share of clean pictures left alone, over the seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    for name in ("kinds seen in training", "kinds kept apart*"):
        points = [damaged[name][str(seed)] for seed in SEEDS]
        axes[0].plot([p["recall"] for p in points], [p["precision"] for p in points], marker="o", label=name)
    for variant, table in clean.items():
        axes[1].plot(SEEDS, [table[str(seed)]["left_alone"] for seed in SEEDS], marker="o", label=f"clean, {variant}")
    axes[0].set(xlabel="damaged pixels found", ylabel="precision", title="damage, by the probability a part needs")
    axes[1].set(xlabel="probability a part needs", ylabel="pictures left alone", title="clean pictures")
    for axis in axes:
        axis.legend()
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def markdown(results: dict) -> str:
    """The tables of docs/review.md."""
    seed = str(results["seed"])
    lines = ["| clean pictures | left alone | pixels flagged |", "|---|---|---|"]
    for variant, table in results["clean"].items():
        lines.append(f"| {variant} | {table[seed]['left_alone']:.1%} | {table[seed]['flagged']:.4%} |")
    lines += ["", "| damage | pixels found | precision |", "|---|---|---|"]
    for kind, table in results["damaged"].items():
        lines.append(f"| {kind} | {table[seed]['recall']:.1%} | {table[seed]['precision']:.1%} |")
    lines += ["", f"12 megapixels: {results['seconds_12_megapixels']:.2f} s of one core ({results['precision']})."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", help="Parquet of held-out faces")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--shapes", required=True, help="Parquet of film damage")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--skip", type=int, default=210, help="first pictures, which the thresholds were set on (%(default)s)"
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
    results: dict = {"seed": Rules().seed, "precision": detector.precision, "clean": {}, "pictures": len(rows)}
    for variant in ("plain", "aged", "enlarged"):
        some = rows[: args.clean] if variant != "enlarged" else rows[: args.clean // 5]
        results["clean"][variant], worst = measure_clean(detector, some, variant)
        sheet(worst, args.output / f"worst-clean-{variant}.jpg")
        print(variant, results["clean"][variant], flush=True)
    results["damaged"], worst = measure_damaged(detector, damaged_pictures(rows[-args.damaged :], film, apart))
    sheet(worst, args.output / "worst-damaged.jpg")
    results["seconds_12_megapixels"] = seconds_of_twelve_megapixels(detector)
    (args.output / "results.json").write_text(json.dumps(results, indent=1))
    curves(results["clean"], results["damaged"], args.output / "curves.png")
    (args.output / "tables.md").write_text(markdown(results))
    print(markdown(results))


if __name__ == "__main__":
    main()
