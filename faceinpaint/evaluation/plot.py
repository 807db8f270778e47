"""A plot as inline SVG: one metric against the share of the picture that is hole."""

from __future__ import annotations

import io

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from faceinpaint.evaluation.figures import Band, Metric
from faceinpaint.evaluation.statistics import BAND_EDGES, band_name
from faceinpaint.evaluation.tables import LABELS, NAMES

SIZE = (8.0, 3.6)  # inches
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "faceinpaint", "font.family": "sans-serif", "font.size": 9}
SPREAD = 0.03  # of a band's width between neighbouring methods, so that their bars stand apart


def line_plot(bands: list[Band], methods: list[str], metric: Metric) -> Markup:
    """SVG, the same bytes each time: a line per method through the bands' means, and bars for their 95% intervals."""
    names = [band_name(i) for i in range(len(BAND_EDGES) - 1)]
    places = [names.index(band["hole_ratio"]) for band in bands]
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]  # its stub knows no plain dictionary
        figure = Figure(SIZE, layout="constrained")
        axes = figure.add_subplot()
        for i, method in enumerate(methods):
            estimates = [band["methods"][method][metric] for band in bands]
            means = [estimate["mean"] for estimate in estimates]
            low, high = zip(*(estimate["ci95"] for estimate in estimates), strict=True)
            bars = [
                [max(0.0, mean - end) for mean, end in zip(means, low, strict=True)],
                [max(0.0, end - mean) for mean, end in zip(means, high, strict=True)],
            ]
            x = [place + SPREAD * (i - (len(methods) - 1) / 2) for place in places]
            axes.errorbar(x, means, bars, label=NAMES.get(method, method), marker="o", markersize=3, linewidth=1.4)
        axes.set(xticks=places, xticklabels=[names[place] for place in places])
        axes.set(xlabel="hole area over picture area", ylabel=LABELS[metric])
        axes.grid(axis="y", alpha=0.4)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right center", frameon=False)
        sink = io.StringIO()
        figure.savefig(sink, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = sink.getvalue()
    return Markup(svg[svg.index("<svg") :])  # without the XML declaration; matplotlib escapes what it is given
