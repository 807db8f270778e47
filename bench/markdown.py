"""Tables of results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of cells as they are, without a line end."""
    return tabulate(list(rows), head, tablefmt="github", disable_numparse=True)
