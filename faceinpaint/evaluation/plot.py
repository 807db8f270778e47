"""A line plot as inline SVG: one metric against the share of the picture that is hole."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup, escape

from faceinpaint.evaluation.statistics import BAND_EDGES, band_name
from faceinpaint.evaluation.tables import LABELS, NAMES

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 56, 590, 20, 290  # the axes' box; method names stand right of it
COLOURS = ("#1b4f72", "#b03a2e", "#1e8449", "#9a7d0a", "#6c3483", "#117a65", "#a04000", "#5d6d7e", "#2e86c1", "#7b7d7d")
LABEL_STEP = 14  # least distance of method names, pixels


def line_plot(bands: list[dict[str, Any]], methods: list[str], metric: str) -> Markup:
    """SVG with a line a method through the bands' means, and bars for their 95% intervals."""
    names = [band_name(i) for i in range(len(BAND_EDGES) - 1)]
    first, last = names.index(bands[0]["hole_ratio"]), names.index(bands[-1]["hole_ratio"])
    places = {name: LEFT + (i - first + 0.5) / (last - first + 1) * (RIGHT - LEFT) for i, name in enumerate(names)}
    ends = [end for band in bands for m in methods for end in band["methods"][m][metric]["ci95"]]
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return BOTTOM - 10 - (value - low) / span * (BOTTOM - TOP - 20)

    parts = [_axes(bands, places, metric, _round_ticks(low, low + span), y)]
    labels = sorted((y(bands[-1]["methods"][m][metric]["mean"]), m) for m in methods)
    heights = _spread([height for height, _ in labels])
    for (_, method), height in zip(labels, heights, strict=True):
        colour = COLOURS[methods.index(method) % len(COLOURS)]
        points = [(places[b["hole_ratio"]], b["methods"][method][metric]) for b in bands]
        parts.append(_line(points, y, colour))
        parts.append(
            f'<text x="{RIGHT + 12}" y="{height + 4:.1f}" fill="{colour}">{escape(NAMES.get(method, method))}</text>'
        )
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="plot">{"".join(parts)}</svg>')


def _axes(bands, places, metric: str, ticks: list[float], y) -> str:  # type: ignore[no-untyped-def]
    parts = [f'<line x1="{LEFT}" y1="{BOTTOM}" x2="{RIGHT}" y2="{BOTTOM}" class="axis"/>']
    for tick in ticks:
        parts.append(f'<line x1="{LEFT}" y1="{y(tick):.1f}" x2="{RIGHT}" y2="{y(tick):.1f}" class="rule"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for name in (band["hole_ratio"] for band in bands):
        parts.append(f'<text x="{places[name]:.1f}" y="{BOTTOM + 18}" text-anchor="middle">{name}</text>')
    parts.append(
        f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 38}" text-anchor="middle">hole area over picture area</text>'
    )
    parts.append(f'<text x="{LEFT - 40}" y="{TOP - 6}">{LABELS[metric]}</text>')
    return "".join(parts)


def _line(points: list[tuple[float, dict[str, Any]]], y, colour: str) -> str:  # type: ignore[no-untyped-def]
    path = " ".join(f"{x:.1f},{y(figure['mean']):.1f}" for x, figure in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>']
    for x, figure in points:
        a, b = figure["ci95"]
        parts.append(
            f'<line x1="{x:.1f}" y1="{y(a):.1f}" x2="{x:.1f}" y2="{y(b):.1f}" stroke="{colour}" opacity="0.5"/>'
        )
        parts.append(f'<circle cx="{x:.1f}" cy="{y(figure["mean"]):.1f}" r="3" fill="{colour}"/>')
    return "".join(parts)


def _round_ticks(low: float, high: float) -> list[float]:
    """Two to six round numbers between ``low`` and ``high``."""
    power = 10.0 ** math.floor(math.log10(high - low))
    step = next(power * part for part in (0.2, 0.5, 1, 2) if (high - low) / (power * part) <= 5)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _spread(heights: list[float]) -> list[float]:
    """Ascending ``heights`` moved apart where labels would overlap, none below the picture's edge."""
    spread: list[float] = []
    for height in heights:
        spread.append(max(height, spread[-1] + LABEL_STEP) if spread else height)
    lowest = float(HEIGHT - LABEL_STEP)
    for i in reversed(range(len(spread))):
        spread[i] = min(spread[i], lowest)
        lowest = spread[i] - LABEL_STEP
    return spread
