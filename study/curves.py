"""The learning curves of docs/study.md: what validations saw in training, kept and drawn from study/curves.csv.

python -m study.curves                                  draws docs/pictures/curves.png
python -m study.curves PConv runs/pconv runs/pconv-more first takes a curve from a run's legs, in their order
python -m study.curves full 43200 runs/full-2           the same of a run that had seen 43,200 pictures, by other logs
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from faceinpaint.load_config import parse_yaml

ROWS = Path(__file__).parent / "curves.csv"
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "curves.png"

Curve = list[tuple[int, float]]  # pictures seen, PSNR in dB inside the hole


def main() -> None:
    curves = read()
    if len(sys.argv) > 1:
        name, *legs = sys.argv[1:]
        seen = int(legs.pop(0)) if legs[0].isdigit() else 0
        curves[name] = taken([Path(leg) for leg in legs], seen)
        write(curves)
    draw(curves)


def taken(legs: list[Path], seen: int = 0) -> Curve:
    """Validations in the logs of ``legs``: outputs of ``faceinpaint train`` that each trained one stage."""
    curve: Curve = []
    for leg in legs:
        log = next(leg.glob("runs/*/tensorboard"))
        config = parse_yaml((leg / "config.yaml").read_text(), str(leg))
        batch = {str(stage): training.batch for stage, training in config.train.items()}[log.parent.name]
        events = EventAccumulator(str(log)).Reload()
        validations = {event.step: event.value for event in events.Scalars("validation/hole_psnr")}
        curve += [(seen + step * batch, round(score, 2)) for step, score in sorted(validations.items())]
        seen += max(validations) * batch
    return curve


def read() -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    if ROWS.exists():
        for row in csv.DictReader(ROWS.read_text().splitlines()):
            curves.setdefault(row["run"], []).append((int(row["pictures"]), float(row["hole_psnr"])))
    return curves


def write(curves: dict[str, Curve]) -> None:
    with ROWS.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("run", "pictures", "hole_psnr"))
        rows.writerows((name, *point) for name, curve in sorted(curves.items()) for point in curve)


def draw(curves: dict[str, Curve]) -> None:
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for name, curve in sorted(curves.items(), key=lambda item: -item[1][-1][1]):  # the legend in the curves' order
        axes.plot(*zip(*curve, strict=True), label=name, marker=".")
    axes.set(xlabel="training pictures seen", ylabel="PSNR in the hole, dB (validation)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
