"""What a report prints: forced comparisons are marked, LaTeX is escaped, the plot names what it shows."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from faceinpaint.evaluation.figures import Metrics
from faceinpaint.evaluation.plot import line_plot
from faceinpaint.evaluation.tables import LABELS, Cell, Table, all_tables, comparison_table, to_latex, to_markdown
from tests.typed import faults


def metrics(data: str = "1" * 64) -> dict[str, Any]:
    def figures(value: float) -> dict[str, Any]:
        each: dict[str, Any] = {name: {"mean": value, "ci95": [value - 1, value + 1]} for name in LABELS}
        each["lpips"]["backbone"], each["identity"]["network"] = "st-lpips-alex", "sface"
        each["frechet"] = {"mean": value, "extractor": "sface-128", "n": 3, "note": "of 3 pictures"}
        return each

    methods = {"two-stage": figures(30.0), "rfr": figures(20.0)}
    difference = {name: {"mean": 10.0, "ci95": [9.0, 11.0], "better": True} for name in LABELS}
    return {
        "n": 3,
        "size": 64,
        "data_sha256": data,
        "masks": {"spec": "s3://masks/a_b", "sha256": "2" * 64},
        "convention": "default",
        "precision": "fp32",
        "weights": {"uri": "w", "sha256": {"two-stage": "3" * 64 + "+" + "4" * 64, "rfr": "5" * 64}},
        "methods": methods,
        "bands": [{"hole_ratio": "(0.1, 0.2]", "n": 3, "methods": methods}],
        "paired": [{"a": "two-stage", "b": "rfr", "a_minus_b": difference}],
    }


def test_the_type_of_metrics_finds_what_is_missing_or_wrong():
    whole = {**metrics(), "data": "d", "crop": [0, 0, 8, 8], "skipped": {"n": 1, "first": [["a.png", "no picture"]]}}
    names = {f"{where}: frechet" for where in ("metrics.bands[0].methods.two-stage", "metrics.bands[0].methods.rfr")}
    found = [fault for fault in faults(whole, Metrics) if "bands" not in fault and "paired" not in fault]
    assert found == []
    assert names <= set(faults(whole, Metrics))
    del whole["crop"]
    whole["n"] = "3"
    whole["methods"]["rfr"]["psnr"]["ci95"] = 1.0
    assert {"metrics: crop", "metrics.n is '3'", "metrics.methods.rfr.psnr.ci95 is 1.0"} <= set(faults(whole, Metrics))


def test_every_table_says_what_it_depends_on():
    tables = all_tables(metrics())
    assert len(tables) == 7
    for table in tables:
        for part in (
            "N = 3",
            "1" * 12,
            "2" * 12,
            "3" * 12,
            "4" * 12,
            "5" * 12,
            "default",
            "st-lpips-alex",
            "sface-128",
        ):
            assert part in table.note, table.title
    assert all("of 3 pictures" in table.note for table in tables if "Frechet" in str(table))


def test_paper_and_here_stand_side_by_side():
    table = next(table for table in all_tables(metrics()) if "table 1" in table.title)
    assert [cell.text for cell in table.rows[0]] == ["PSNR", "33.058", "32.252", "36.733", "–", "20.00", "30.00"]


def test_a_forced_comparison_is_marked():
    assert "NOT COMPARABLE: the evaluations differ in data." in comparison_table(metrics(), metrics("9"), ["data"]).note
    assert "NOT COMPARABLE" not in comparison_table(metrics(), metrics(), []).note


def test_latex_is_escaped():
    text = to_latex(Table("A & B", ["x", "50%"], [[Cell("a_b"), Cell("$1{2}~^\\", True)]], "#1"))
    assert r"\caption{A \& B. \#1}" in text
    assert r"x & 50\%" in " ".join(text.split())
    assert r"a\_b & \textbf{\$1\{2\}\textasciitilde{}\textasciicircum{}\textbackslash{}} \\" in " ".join(text.split())
    assert text.replace(r"\{", "").count("{") == text.replace(r"\}", "").count("}")


def test_markdown_marks_the_best_and_keeps_figures_as_they_are():
    table = Table("T", ["Method", "PSNR"], [[Cell("a"), Cell("30.00", True)], [Cell("b"), Cell("–")]], "note")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in to_markdown(table).splitlines()[2:6]]
    assert rows[0] == ["Method", "PSNR"]
    assert rows[2:] == [["a", "**30.00**"], ["b", "–"]]
    assert "" in to_markdown(Table("T", ["Method"], [], "")).splitlines()  # without a row, too


def test_the_plot_names_methods_and_bands_and_is_the_same_each_time():
    made = line_plot(metrics()["bands"], ["two-stage", "rfr"], "psnr")
    root = ElementTree.fromstring(str(made))
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Ours", "RFR", "(0.1, 0.2]", "PSNR", "hole area over picture area"} <= texts
    assert made == line_plot(metrics()["bands"], ["two-stage", "rfr"], "psnr")


def test_means_outside_their_interval_do_not_stop_the_plot():
    """Percentile intervals of few pictures may leave the mean out by rounding."""
    bands = metrics()["bands"]
    bands[0]["methods"]["rfr"]["psnr"] = {"mean": 20.0, "ci95": [20.1, 20.2]}
    assert "<svg" in line_plot(bands, ["two-stage", "rfr"], "psnr")
