"""What was measured, put into the documentation: docs/speed.md from results.json, docs/scaling.md by ``bench.sizing``.

python -m bench.pages
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import photographs, report, sizing
from bench.markdown import table
from bench.run import RESULTS

SPEED = Path(__file__).parents[1] / "docs" / "speed.md"
BEGIN, END = "<!-- {} by python -m bench.pages -->\n", "<!-- end -->\n"


def sections(results: dict[str, Any]) -> dict[str, str]:
    """The parts of docs/speed.md by name; those alone that were measured."""
    found = {"aims": report.aims_table(results)}
    if "photographs_12mp" in results:
        found["photographs"] = table(photographs.HEAD, photographs.cells(results["photographs_12mp"]))
    steps = [report.steps_table(name, results[name]) for name in report.STEPS if name in results]
    if steps:
        found["training"] = "\n\n".join(steps)
    stamp = report.stamp(results)
    return {name: f"{text}\n\n{stamp}" for name, text in found.items()}


def filled(page: str, parts: dict[str, str]) -> str:
    """``page`` with each part between the marks of its name, which it must have."""
    for name, text in parts.items():
        before, mark, rest = page.partition(BEGIN.format(name))
        _, end, after = rest.partition(END)
        assert mark, f"no mark for {name}"
        assert end, f"no end for {name}"
        page = f"{before}{mark}\n{text}\n\n{end}{after}"
    return page


def main() -> None:
    SPEED.write_text(filled(SPEED.read_text(), sections(json.loads(RESULTS.read_text()))))
    sizing.write()


if __name__ == "__main__":
    main()
