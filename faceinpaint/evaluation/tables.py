"""Tables of an evaluation, as plain rows that Markdown, LaTeX and HTML are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from tabulate import tabulate

from faceinpaint.evaluation.figures import Estimate, Estimates, Figure, Frechet, MethodFigures, Metric, Metrics
from faceinpaint.evaluation.statistics import HIGHER_IS_BETTER
from faceinpaint.stages import STAGES

LABELS: dict[Figure, str] = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "l1": "L1",
    "lpips": "LPIPS",
    "hole_psnr": "Hole PSNR",
    "hole_l1": "Hole L1",
    "identity": "Identity",
    "frechet": "Frechet",
}
DIGITS: dict[Figure, int] = {
    "psnr": 2,
    "hole_psnr": 2,
    "ssim": 4,
    "l1": 4,
    "hole_l1": 4,
    "lpips": 4,
    "identity": 3,
    "frechet": 3,
}
NAMES: dict[str, str] = {facts.method: facts.label for facts in STAGES.values() if facts.method}
NAMES |= {"biharmonic": "Biharmonic", "navier-stokes": "Navier-Stokes", "telea": "Telea", "mean": "Mean colour"}
NAMES |= {"curvature": "Curvature", "coherence": "Coherence", "fragment": "Fragments", "quilting": "Quilting"}
NAMES |= {"photomontage": "Photomontage"}

# The paper's tables 1 and 2: CelebA-HQ at 256 px, ten square masks whose sizes it does not give.
PAPER: dict[str, dict[Figure, float]] = {
    "pconv": {"psnr": 33.058, "ssim": 0.966, "frechet": 67.956},
    "rfr": {"psnr": 32.252, "ssim": 0.948, "frechet": 106.312},
    "variant-1": {"psnr": 34.364, "ssim": 0.959, "frechet": 33.357},
    "variant-2": {"psnr": 36.239, "ssim": 0.973, "frechet": 20.534},
    "two-stage": {"psnr": 36.733, "ssim": 0.977, "frechet": 15.077},
}
TABLE_1, TABLE_2 = ("pconv", "rfr", "two-stage"), ("variant-1", "variant-2", "two-stage")
INTERVALS = "± half the bootstrap 95% interval"


@dataclass(frozen=True)
class Cell:
    """``best``: of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A title, column heads, rows of cells whose first names the row, and what the figures hold for."""

    title: str
    head: list[str]
    rows: list[list[Cell]]
    note: str


def all_tables(metrics: Metrics, other: Metrics | None = None, differ: list[str] | None = None) -> list[Table]:
    """Every table of a report; ``other`` is an earlier evaluation, ``differ`` says in what it is not comparable."""
    tables = [main_table(metrics)]
    for number, methods in ((1, TABLE_1), (2, TABLE_2)):
        if any(method in metrics["methods"] for method in methods):
            tables.append(paper_table(metrics, number, methods))
    tables += [paired_table(metrics)] if len(metrics["methods"]) > 1 else []
    tables += [band_table(metrics, metric) for metric in ("psnr", "ssim", "lpips")]
    if other is not None:
        tables.append(comparison_table(metrics, other, differ or []))
    return tables


def main_table(metrics: Metrics) -> Table:
    """Every method by every metric, with intervals; the best of each column marked."""
    names = [name for name in LABELS if any(name in figures for figures in metrics["methods"].values())]
    best = {name: best_method(metrics["methods"], name) for name in names}
    rows = [
        [Cell(NAMES.get(m, m)), *(Cell(with_interval(figures.get(name), name), m == best[name]) for name in names)]
        for m, figures in metrics["methods"].items()
    ]
    note = " ".join([provenance(metrics), *frechet_notes(metrics)])
    return Table(f"Methods side by side, {INTERVALS}", ["Method", *map(heading, names)], rows, note)


def paper_table(metrics: Metrics, number: int, methods: tuple[str, ...]) -> Table:
    """The paper's table 1 or 2 with its figures beside ours; they are of other pictures, masks and budgets."""
    rows = []
    wanted: tuple[Figure, ...] = ("psnr", "ssim", "frechet")
    for name in wanted:
        label = "FID (paper) / Frechet distance (here)" if name == "frechet" else LABELS[name]
        ours = [shown(_figure(metrics["methods"].get(m), name), name) for m in methods]
        rows.append([Cell(label), *(Cell(f"{PAPER[m][name]:.3f}") for m in methods), *map(Cell, ours)])
    head = ["", *(f"{NAMES[m]}, paper" for m in methods), *(f"{NAMES[m]}, here" for m in methods)]
    what = "Quantitative analysis" if number == 1 else "Ablation"
    levels = "The paper's figures are of CelebA-HQ at 256 px and its own masks: levels differ."
    note = " ".join([levels, provenance(metrics), *frechet_notes(metrics)])
    return Table(f"{what}: the paper's table {number}", head, rows, note)


def paired_table(metrics: Metrics) -> Table:
    """The first method minus each other on the same pictures, with the interval of the difference."""
    ours = next(iter(metrics["methods"]))
    names: tuple[Metric, ...] = ("psnr", "ssim", "lpips", "hole_psnr", "identity")
    rows = []
    for pair in metrics["paired"]:
        if pair["a"] == ours:
            cells = [pair["a_minus_b"][name] for name in names]
            texts = [Cell(_signed(cell, name), cell["better"] is True) for cell, name in zip(cells, names, strict=True)]
            rows.append([Cell(f"minus {NAMES.get(pair['b'], pair['b'])}"), *texts])
    title = f"{NAMES.get(ours, ours)} against each other method on the same pictures, bootstrap 95% intervals"
    note = f"Bold: better, and the interval leaves out zero. {provenance(metrics)}"
    return Table(title, ["Difference", *map(heading, names)], rows, note)


def band_table(metrics: Metrics, metric: Metric) -> Table:
    """One metric by the share of the picture that is hole."""
    bands = metrics["bands"]
    best = [best_method(band["methods"], metric) for band in bands]
    rows = [
        [Cell(NAMES.get(m, m))]
        + [Cell(with_interval(b["methods"][m][metric], metric), m == top) for b, top in zip(bands, best, strict=True)]
        for m in metrics["methods"]
    ]
    head = ["Method", *(f"{band['hole_ratio']}, N = {band['n']}" for band in bands)]
    return Table(f"{LABELS[metric]} by hole ratio, {INTERVALS}", head, rows, provenance(metrics))


def comparison_table(metrics: Metrics, other: Metrics, differ: list[str]) -> Table:
    """Methods of both evaluations, this one minus the earlier."""
    names: tuple[Metric, ...] = ("psnr", "ssim", "lpips", "hole_psnr")
    rows = [
        [
            Cell(NAMES.get(m, m)),
            *(Cell(f"{figures[k]['mean'] - other['methods'][m][k]['mean']:+.{DIGITS[k]}f}") for k in names),
        ]
        for m, figures in metrics["methods"].items()
        if m in other["methods"]
    ]
    warning = f"NOT COMPARABLE: the evaluations differ in {', '.join(differ)}. " if differ else ""
    note = f"{warning}Here: {provenance(metrics)} Earlier: {provenance(other)}"
    return Table("This evaluation minus the earlier one", ["Method", *map(heading, names)], rows, note)


def provenance(metrics: Metrics) -> str:
    """What every figure depends on, in one line."""
    first = next(iter(metrics["methods"].values()))
    weights = {sha for sha in metrics["weights"]["sha256"].values() if sha}
    extractor = first.get("frechet", {}).get("extractor", "none")
    parts = [
        f"N = {metrics['n']}, {metrics['size']} px, data {metrics['data_sha256'][:12]}",
        f"masks {metrics['masks']['spec']} {metrics['masks']['sha256'][:12]}, convention {metrics['convention']}",
        f"LPIPS: {first['lpips']['backbone']}, identity: {first['identity']['network']}, features: {extractor}",
        f"weights {', '.join(sorted({part[:12] for sha in weights for part in sha.split('+')})) or 'none'}, "
        f"{metrics.get('precision', 'fp32')}.",
    ]
    return "; ".join(parts)


def frechet_notes(metrics: Metrics) -> list[str]:
    """What must be said beside the Frechet distances, a sentence each."""
    distances = [figures["frechet"] for figures in metrics["methods"].values() if "frechet" in figures]
    notes = {distance["note"] for distance in distances if "note" in distance}
    return [f"Frechet distance: {note}." for note in sorted(notes)]


def best_method(methods: Mapping[str, MethodFigures | Estimates], metric: Figure) -> str | None:
    """The method of the best mean, when there are several."""
    found = {m: _figure(figures, metric) for m, figures in methods.items()}
    means = {m: figure["mean"] for m, figure in found.items() if figure is not None}
    choose: Callable = max if HIGHER_IS_BETTER[metric] else min
    return choose(means, key=means.__getitem__) if len(means) > 1 else None


def _figure(figures: MethodFigures | Estimates | None, name: Figure) -> Estimate | Frechet | None:
    """One figure of a method; None where it was not taken."""
    return None if figures is None else cast(Any, figures).get(name)


def heading(metric: Figure) -> str:
    """A column's head, with an arrow to where the better figures are."""
    return f"{LABELS[metric]} {'↑' if HIGHER_IS_BETTER[metric] else '↓'}"


def shown(figure: Estimate | Frechet | None, metric: Figure) -> str:
    """The mean with the metric's digits; a dash for none."""
    return "–" if figure is None else f"{figure['mean']:.{DIGITS[metric]}f}"


def with_interval(figure: Estimate | Frechet | None, metric: Figure) -> str:
    """:func:`shown`, with half the 95% interval where there is one."""
    if figure is None or "ci95" not in figure:
        return shown(figure, metric)
    low, high = cast(Estimate, figure)["ci95"]
    return f"{shown(figure, metric)} ± {(high - low) / 2:.{DIGITS[metric]}f}"


def _signed(figure: Estimate, metric: Figure) -> str:
    digits = DIGITS[metric]
    low, high = figure["ci95"]
    return f"{figure['mean']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def to_markdown(table: Table) -> str:
    """A heading, the table with its best figures bold, and its note."""
    rows = [[f"**{cell.text}**" if cell.best else cell.text for cell in row] for row in table.rows]
    return "\n".join([f"## {table.title}", "", tabulated(rows, table.head, "github"), "", table.note, ""])


def to_latex(table: Table) -> str:
    """A table for LaTeX with the package graphicx, as wide as the text."""
    rows = [[rf"\textbf{{{_tex(cell.text)}}}" if cell.best else _tex(cell.text) for cell in row] for row in table.rows]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_tex(table.title)}. {_tex(table.note)}}}",
            r"\resizebox{\linewidth}{!}{" + tabulated(rows, [_tex(text) for text in table.head], "latex_raw") + "}",
            r"\end{table}",
            "",
        ]
    )


def tabulated(rows: list[list[str]], head: list[str], form: str) -> str:
    """Cells as they are, the first column to the left, figures to the right."""
    sides = ["left", *["right"] * (len(head) - 1)]
    return tabulate(rows, head, tablefmt=form, colalign=sides if rows else None, disable_numparse=True)


def _tex(text: str) -> str:
    signs = {
        "±": r"$\pm$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "–": "--",
        "_": r"\_",
        "%": r"\%",
        "#": r"\#",
        "&": r"\&",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
    return "".join(signs.get(character, character) for character in text)


def print_summary(metrics: Metrics) -> None:
    """The main table on the terminal."""
    table = main_table(metrics)
    print(tabulated([[cell.text for cell in row] for row in table.rows], table.head, "plain"))
    print(table.note)
