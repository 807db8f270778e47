"""``report.html`` (self-contained), ``tables.md`` and ``tables.tex`` of an evaluation."""

from __future__ import annotations

import base64
import io
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from faceinpaint.encoding import png_bytes
from faceinpaint.evaluation.compare import check_comparable
from faceinpaint.evaluation.figures import Metrics
from faceinpaint.evaluation.plan import Plan
from faceinpaint.evaluation.plot import line_plot
from faceinpaint.evaluation.rows import Example
from faceinpaint.evaluation.tables import NAMES, all_tables, provenance, to_latex, to_markdown
from faceinpaint.evaluation.worker import ORIGINAL
from faceinpaint.storage import write_bytes

FIGURE_3 = ("pconv", "rfr", "two-stage")
FIGURE_5 = ("variant-1", "variant-2", "two-stage")


def write_report(
    plan: Plan,
    metrics: Metrics,
    examples: dict[str, list[Example]],
    other: Metrics | None = None,
    force: bool = False,
) -> None:
    """Write the report and the tables below the plan's output.

    Raises :class:`InputError` when ``other`` is an evaluation of other data, masks or convention, unless ``force``.
    """
    differ = check_comparable(metrics, other, force) if other is not None else []
    tables = all_tables(metrics, other, differ)
    page = jinja2.Environment(
        loader=jinja2.PackageLoader("faceinpaint.evaluation", "templates"), autoescape=True, trim_blocks=True
    ).get_template("report.html.j2")
    html = page.render(
        metrics=metrics,
        tables=tables,
        provenance=provenance(metrics),
        figures=figures(list(plan.methods), examples),
        plot=line_plot(metrics["bands"], list(plan.methods), "psnr"),
    )
    write_bytes(f"{plan.output}/report.html", html.encode())
    write_bytes(f"{plan.output}/tables.md", "\n".join(map(to_markdown, tables)).encode())
    write_bytes(f"{plan.output}/tables.tex", "\n".join(map(to_latex, tables)).encode())


def figures(methods: list[str], examples: dict[str, list[Example]]) -> list[dict[str, Any]]:
    """Grids of pictures: as the paper's figures 3 and 5 where their methods were run, all methods, the worst cases."""
    ours = methods[0]
    wanted = [
        ("Side by side, as the paper's figure 3", FIGURE_3, "sample"),
        ("The variants, as the paper's figure 5", FIGURE_5, "sample"),
        ("All methods", methods, "sample"),
        (f"Worst cases of {NAMES.get(ours, ours)}: least PSNR first", methods, "worst"),
    ]
    return [
        {"title": title, **_grid([m for m in columns if m in methods], examples[which])}
        for title, columns, which in wanted
        if set(columns) <= set(methods)
    ]


def _grid(methods: list[str], examples: list[Example]) -> dict[str, Any]:
    rows = []
    for example in examples:
        cells = [(_data_uri(_damaged(example)), f"{example.hole_ratio:.0%} hole")]
        cells += [(_data_uri(example.pictures[m]), f"{example.psnr[m]:.1f} dB") for m in methods]
        cells.append((_data_uri(example.pictures[ORIGINAL]), ""))
        rows.append({"key": example.key, "cells": cells})
    return {"head": ["Damaged", *(NAMES.get(m, m) for m in methods), "Original"], "rows": rows}


def _damaged(example: Example) -> bytes:
    """PNG of the original with its hole white."""
    picture, hole = (np.asarray(Image.open(io.BytesIO(example.pictures[name]))) for name in (ORIGINAL, "hole"))
    return png_bytes(np.where(hole[..., None] > 0, np.uint8(255), picture))


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
