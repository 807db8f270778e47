"""``report.html`` of a bulk restoration (``dry-run.html`` of a dry run): for the person who decides what is good."""

from __future__ import annotations

import json
from dataclasses import asdict

import jinja2

from faceinpaint.data.faces import Alignment
from faceinpaint.inference.gallery import Gallery
from faceinpaint.inference.ledger import Ledger
from faceinpaint.inference.pages import ROWS_A_SCRIPT, Group, write_pages
from faceinpaint.inference.thumbs import DRY_THUMBS, THUMBS
from faceinpaint.storage import join, write_bytes

FOLDER, DRY_FOLDER = "_job/report", "_job/dry-run/report"
ROWS_A_PAGE = 50  # divides ROWS_A_SCRIPT
TOLD = 12  # groups that the terminal is told


def write_report(output: str, ledger: Ledger, gallery: Gallery, rate: float, alignment: Alignment) -> list[Group]:
    """Write the page, and its rows beside it; returns the groups of inputs. ``rate``: pictures/s of this run."""
    similarity: dict[str, float] = {}
    if any("face_after" in entry.sheet for entry in gallery.entries):
        from faceinpaint.inference.resemblance import measure_identity  # torch takes seconds

        measure_identity(gallery.entries, alignment)
        similarity = {entry.row.key: entry.similarity for entry in gallery.entries if entry.similarity is not None}
    folder = DRY_FOLDER if gallery.dry else FOLDER
    groups = write_pages(output, folder, ledger, similarity)
    summary = {
        "dry": gallery.dry,
        "folder": folder,
        "thumbs": DRY_THUMBS if gallery.dry else THUMBS,
        "page": ROWS_A_PAGE,
        "script": ROWS_A_SCRIPT,
        "groups": [asdict(group) for group in groups],
        "similarity": similarity,
    }
    page = jinja2.Environment(
        loader=jinja2.PackageLoader("faceinpaint.inference", "templates"), autoescape=True, trim_blocks=True
    ).get_template("report.html.j2")
    html = page.render(
        dry=gallery.dry,
        counts=sorted((status, count) for status, count in ledger.counts.items() if count),
        total=ledger.rows,
        rate=rate,
        groups=groups,
        folder=folder,
        summary=json.dumps(summary).replace("<", "\\u003c"),
    )
    write_bytes(join(output, "dry-run.html" if gallery.dry else "report.html"), html.encode())
    return groups


def told(groups: list[Group], dry: bool) -> list[str]:
    """Lines for the terminal: what failed or was skipped (or would be), with reasons and names."""
    problems = [group for group in groups[1:] if group.status in ("failed", "skipped")]
    would = "would be " if dry else ""
    lines = [
        f"{would}{group.status}: {group.rows} x {group.reason} ({', '.join(group.examples)}"
        f"{', ...' if group.rows > len(group.examples) else ''})"
        for group in problems[:TOLD]
    ]
    rest = sum(group.rows for group in problems[TOLD:])
    return lines + ([f"and {rest} more for other reasons"] if rest else [])
