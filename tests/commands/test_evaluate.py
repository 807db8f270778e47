"""faceinpaint evaluate: refusals before any work, and one result for any number of workers."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from skimage import data

from faceinpaint.cli import exit_code
from faceinpaint.commands import evaluate as evaluate_command
from faceinpaint.encoding import png_bytes
from faceinpaint.errors import InputError
from faceinpaint.evaluation.compare import check_comparable, read_other
from faceinpaint.evaluation.driver import evaluate, gpu_share
from faceinpaint.evaluation.figures import Metrics
from faceinpaint.evaluation.methods import CLASSICAL, available
from faceinpaint.evaluation.plan import make_plan
from faceinpaint.evaluation.report import write_report
from faceinpaint.evaluation.rows import write_rows
from faceinpaint.evaluation.sweep import read_sweep, run_sweep
from faceinpaint.evaluation.worker import Judge
from tests.typed import faults


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """Forty 40 px cuts of the astronaut, in no order, and one file that is no picture."""
    picture = data.astronaut()
    cuts = {f"{i:03d}.png": png_bytes(picture[i : i + 40, 170 + i : 210 + i]) for i in range(40)} | {"bad.png": b"no"}
    keys = list(np.random.default_rng(0).permutation(list(cuts)))
    path = tmp_path_factory.mktemp("faces") / "faces.parquet"
    pq.write_table(pa.table({"key": keys, "image": [cuts[key] for key in keys]}), path)
    return path


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"--methods": "mean,magic"}, "magic"),
        ({"--methods": ""}, "unknown method ''"),
        ({"--methods": "two-stage"}, "--weights"),
        ({"--methods": "two-stage", "--weights": "nowhere"}, "nowhere"),
        ({"--masks": "masks/nowhere"}, "masks/nowhere"),
        ({"--masks": "squares:x"}, "squares:x"),
        ({"--masks": "alpha"}, "no original under the hole"),
        ({"--masks": "detect"}, "no original under the hole"),
        ({"--masks": "squares:41"}, "squares:41: larger than the model's picture, 40 px"),
        ({"--split": "nowhere.txt"}, "nowhere.txt"),
        ({"--compare": "nowhere"}, "nowhere"),
        ({"--convention": "edgeconnect"}, "51 px"),
    ],
)
def test_refused_by_name(faces, tmp_path, capsys, wrong, named):
    arguments = {"--data": str(faces), "--masks": "squares", "--methods": "mean", "--size": "40"}
    arguments |= {"--output": str(tmp_path / "out"), **wrong}
    words = [word for pair in arguments.items() for word in pair]
    assert exit_code(lambda: evaluate_command.main(words)) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert named in message
    assert not (tmp_path / "out" / "metrics.json").exists()


@pytest.mark.parametrize("output", ["faces", "faces/judged", "link/judged"])
def test_an_output_among_the_pictures_is_refused(tmp_path, output):
    """A folder of Parquet would be none any more, and the next run would take parts and reports for pictures."""
    (tmp_path / "faces").mkdir()
    (tmp_path / "link").symlink_to("faces")
    arguments = {"data": str(tmp_path / "faces"), "masks": "squares", "methods": ["mean"], "size": 40}
    with pytest.raises(InputError, match=r"lies in `data` .*faces: keep them apart"):
        make_plan(output=str(tmp_path / output), **arguments)
    assert not list((tmp_path / "faces").iterdir())


def test_unless_told_every_method_is_compared_whose_files_are_there(tiny_weights, tmp_path):
    classical = list(CLASSICAL)
    assert available(None) == classical
    assert set(classical) - set(available(None, 256)) == {"fragment"}
    assert available(tiny_weights) == ["two-stage", "structure", *classical]
    shutil.copytree(tiny_weights, tmp_path / "weights")
    for name in ("variant-2", "rfr"):
        (tmp_path / "weights" / f"{name}.safetensors").touch()
    assert available(str(tmp_path / "weights"))[:4] == ["two-stage", "structure", "variant-2", "rfr"]
    (tmp_path / "weights" / "structure.safetensors").unlink()  # two of them need stage 1
    assert available(str(tmp_path / "weights")) == ["rfr", *classical]
    with pytest.raises(InputError, match="nowhere"):
        available("nowhere")


@pytest.mark.usefixtures("ray_local")
def test_workers_do_not_change_a_bit_and_parts_are_reused(faces, tmp_path, monkeypatch):
    results = []
    for workers, batches_a_task in ((0, 1), (1, 64), (2, 1)):  # all here; summed by the driver; by tasks
        monkeypatch.setattr("faceinpaint.evaluation.driver.CHUNK", batches_a_task)
        plan = make_plan(
            data=str(faces),
            masks="squares:12",
            methods=["telea", "mean"],
            output=str(tmp_path / str(workers)),
            size=40,
            workers=workers,
        )
        metrics, batches = evaluate(plan)
        write_report(plan, metrics, write_rows(plan, batches))
        results.append((Path(plan.output) / "metrics.json").read_bytes())
    assert results[0] == results[1] == results[2]
    assert faults(json.loads(results[0]), Metrics) == []
    assert metrics["n"] == 40
    assert metrics["skipped"]["first"][0][0] == "bad.png"
    rows = pq.read_table(f"{plan.output}/rows/telea.parquet")
    assert rows["key"].to_pylist() == sorted(rows["key"].to_pylist())
    assert rows["psnr"].to_numpy().mean() == pytest.approx(metrics["methods"]["telea"]["psnr"]["mean"], abs=1e-9)
    page = Path(plan.output, "report.html").read_text()
    assert metrics["data_sha256"][:12] in page
    assert "http" not in page.replace("http://www.w3.org", "")

    before = {path: path.stat().st_mtime_ns for path in Path(plan.output, "parts").rglob("*.parquet")}
    again, batches = evaluate(plan)
    assert json.dumps(again, indent=1).encode() == results[1]
    assert all(batch.reused for batch in batches)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_few_pictures_are_judged_without_ray(faces, tmp_path):
    """In a process of its own: this one may be connected to Ray by other tests."""
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(faces).slice(0, 5), few)
    (tmp_path / "sweep.yaml").write_text("small: {masks: 'squares:8'}\nlarge: {masks: 'squares:16'}\n")
    words = ["--data", str(few), "--methods", "telea,mean", "--size", "40", "--masks", "squares:12", "--output"]
    code = f"""
import sys
from faceinpaint.commands.evaluate import main
main({[*words, str(tmp_path / "out")]})
main({[*words, str(tmp_path / "swept"), "--sweep", str(tmp_path / "sweep.yaml")]})
sys.exit("ray" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "RAY_ADDRESS": ""})
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["n"] == 5
    assert (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "swept" / "large" / "metrics.json").exists()


@pytest.mark.usefixtures("ray_local")
def test_sweep(faces, tmp_path):
    common = {"data": str(faces), "masks": "squares:12", "methods": ["mean"], "output": str(tmp_path), "size": 40}
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("small: {masks: 'squares:8'}\nlarge: {masks: 'squares:16'}\n")
    lines, failed = run_sweep(read_sweep(str(sweep), common), str(tmp_path))
    assert failed == {}
    results = json.loads((tmp_path / "sweep.json").read_text())
    psnr = {name: metrics["methods"]["mean"]["psnr"]["mean"] for name, metrics in results.items()}
    assert psnr["small"] > psnr["large"]
    assert [cell.strip() for cell in lines[2].split("|")][1:3] == ["small", "mean"]
    sweep.write_text("small: {magic: 1}")
    with pytest.raises(InputError, match="magic"):
        read_sweep(str(sweep), common)


def test_each_entry_of_a_sweep_compares_the_methods_of_its_own_weights(tiny_weights, tmp_path):
    common = {"data": str(tmp_path / "in"), "masks": "squares", "methods": None, "output": str(tmp_path), "size": None}
    (tmp_path / "sweep.yaml").write_text(f"own: {{weights: {tiny_weights}}}\nplain: {{size: 256}}\n")
    entries = read_sweep(str(tmp_path / "sweep.yaml"), common)
    methods = {name: make_plan(**entry.arguments).methods for name, entry in entries.items()}
    assert methods["own"] == ("two-stage", "structure", *CLASSICAL)
    assert methods["plain"] == tuple(name for name in CLASSICAL if name != "fragment")  # slow at 256 px
    words = ["--data", "d", "--output", "o", "--sweep", "s.yaml", "--compare", "c"]
    with pytest.raises(InputError, match="leave it out with `sweep`"):
        evaluate_command.main(words)


@pytest.mark.parametrize(
    ("keys", "split", "said"),
    [
        (["a", "b", "b"], None, "two pictures of key b"),
        (["1.png", "1.jpg", "2.png"], "1\n2\n", None),
        (["1.png", "1.jpg"], "1\n2\n", "lacks: 1, such as 2"),
    ],
)
def test_double_keys_and_missing_entries_of_a_split_are_refused(tmp_path, keys, split, said):
    picture = data.astronaut()
    cuts = [png_bytes(picture[i : i + 40, 170 + i : 210 + i]) for i in range(len(keys))]
    pq.write_table(pa.table({"key": keys, "image": cuts}), tmp_path / "few.parquet")
    if split:
        (tmp_path / "split.txt").write_text(split)
    plan = make_plan(
        data=str(tmp_path / "few.parquet"),
        masks="squares:12",
        methods=["mean"],
        output=str(tmp_path / "out"),
        size=40,
        split=str(tmp_path / "split.txt") if split else None,
        workers=0,
    )
    if said is None:
        assert evaluate(plan)[0]["n"] == len(keys)
        return
    with pytest.raises(InputError, match=said):
        evaluate(plan)


def test_a_picture_without_a_key_is_skipped_and_named(faces, tmp_path):
    table = pq.read_table(faces).slice(0, 3)
    keys = pa.array([None, "one", None], pa.string())
    pq.write_table(table.set_column(0, "key", keys), tmp_path / "few.parquet")
    where = {"data": str(tmp_path / "few.parquet"), "masks": "squares:12", "output": str(tmp_path / "out")}
    metrics, _ = evaluate(make_plan(**where, methods=["mean"], size=40, workers=0))
    why = "its key is null: give each row a key of its own"
    assert metrics["n"] == 1
    assert metrics["skipped"] == {"n": 2, "first": [["few.parquet row 0", why], ["few.parquet row 2", why]]}


@pytest.mark.usefixtures("ray_local")
def test_a_sweep_trains_its_weights_first(faces_parquet, tmp_path):
    common = {"data": faces_parquet, "masks": "squares:12", "methods": ["pconv"], "output": str(tmp_path / "out")}
    entry = "{{train: {{preset: tiny, stage: pconv, data: {0}, workers: 0, steps: 1, set: [train.pconv.lr={1}]}}}}"
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(f"a: {entry.format(faces_parquet, 0.0001)}\nb: {entry.format(faces_parquet, 0.1)}\n")
    lines, _ = run_sweep(read_sweep(str(sweep), common), common["output"])
    assert (tmp_path / "out" / "a" / "weights" / "pconv.safetensors").exists()
    results = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert results["a"]["methods"]["pconv"]["psnr"] != results["b"]["methods"]["pconv"]["psnr"]
    assert [line.split("|")[1].strip() for line in lines[2:4]] == ["a", "b"]
    sweep.write_text("a: {train: {preset: tiny, stage: sculpture, data: x}}")
    with pytest.raises(InputError, match="unknown stage 'sculpture'"):
        read_sweep(str(sweep), common)


def test_an_entry_of_a_sweep_that_fails_leaves_the_others(faces_parquet, faces, tmp_path, capsys):
    twice = tmp_path / "twice.parquet"
    pq.write_table(pa.concat_tables([pq.read_table(faces).slice(0, 2)] * 2), twice)
    trained = f"{{preset: tiny, stage: pconv, data: {faces_parquet}, workers: 0, steps: 2, set: [train.pconv.SET]}}"
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(
        f"wild: {{methods: [pconv], train: {trained.replace('SET', 'max_loss=1.0e-9')}}}\n"
        f"double: {{data: {twice}}}\n"
        "good: {masks: 'squares:8'}\n"
    )
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(faces).slice(0, 3), few)
    words = ["--data", str(few), "--masks", "squares:12", "--methods", "mean", "--size", "32", "--workers", "0"]
    words += ["--output", str(tmp_path / "out"), "--sweep", str(sweep)]
    assert exit_code(lambda: evaluate_command.main(words)) == 1
    said = capsys.readouterr()
    wild, double = said.err.splitlines()
    assert wild.startswith("error: --sweep wild: diverged: step 0, phase ")
    assert double.startswith("error: --sweep double: ")
    assert "holds two pictures of key" in double
    assert list(json.loads((tmp_path / "out" / "sweep.json").read_text())) == ["good"]
    table = (tmp_path / "out" / "sweep.md").read_text()
    assert said.out.endswith(table + "\n")
    assert "| good " in table
    assert "\nwild: failed: diverged: step 0" in table


def test_other_data_is_not_compared_without_force():
    a = {"data_sha256": "1", "masks": {"sha256": "2"}, "convention": "default", "size": 64}
    a["methods"] = {"mean": {"lpips": {"backbone": "lpips-alex"}}, "telea": {"lpips": {"backbone": "lpips-alex"}}}
    assert check_comparable(a, {**a, "methods": {"rfr": a["methods"]["mean"]}}, force=False) == []
    for changed, named in (
        ({"data_sha256": "3"}, "data"),
        ({"masks": {"sha256": "3"}}, "masks"),
        ({"size": 256}, "picture size"),
        ({"methods": {"mean": {"lpips": {"backbone": "lpips-vgg"}}}}, "LPIPS backbone"),
    ):
        b = {**a, **changed}
        with pytest.raises(InputError, match=named):
            check_comparable(a, b, force=False)
        assert check_comparable(a, b, force=True) == [named]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"--masks": "squares:16"}, "masks"),
        ({"--crop": "0,0,30,30"}, "data"),
        ({"--convention": "lama"}, "convention"),
        ({"--lpips": "vgg"}, "LPIPS backbone"),
        ({"--size": "32"}, "picture size"),
    ],
)
def test_another_evaluation_is_refused_before_any_method_runs(faces, tmp_path, capsys, monkeypatch, changed, named):
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(faces).slice(0, 3), few)

    def words(output, **more):
        given = {"--data": str(few), "--masks": "squares:12", "--methods": "mean", "--size": "40", "--workers": "0"}
        given |= {"--output": str(tmp_path / output), **more}
        return [word for pair in given.items() for word in pair]

    assert exit_code(lambda: evaluate_command.main(words("old"))) == 0
    assert exit_code(lambda: evaluate_command.main(words("same", **{"--compare": str(tmp_path / "old")}))) == 0
    capsys.readouterr()
    monkeypatch.setattr("faceinpaint.evaluation.worker.load_method", lambda *_: pytest.fail("a method runs"))
    assert (
        exit_code(lambda: evaluate_command.main(words("new", **changed, **{"--compare": str(tmp_path / "old")}))) == 2
    )
    assert f"--compare: the two evaluations differ in {named}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{}", "[]", '{"data_sha256": "1", "masks": 2}', "no JSON"])
def test_what_is_no_evaluation_is_not_compared_with(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputError, match="compare"):
        read_other(str(tmp_path))


@pytest.mark.parametrize(
    ("workers", "gpus", "share"), [(2, 0, 0), (2, 4, 1), (2, 2, 1), (3, 2, 0.5), (5, 2, 0.3333), (6, 1, 0.1666)]
)
def test_workers_find_places_on_gpus(workers, gpus, share):
    assert gpu_share(workers, gpus) == share
    if gpus:
        assert int(1 / gpu_share(workers, gpus)) * gpus >= workers


@pytest.mark.parametrize("name", ["perceptual", "identity", "extractor"])
def test_a_node_with_another_network_than_the_drivers_is_refused(tmp_path, name):
    plan = make_plan(
        data=str(tmp_path / "in"), masks="squares", methods=["mean"], output=str(tmp_path / "out"), size=64
    )
    judge = Judge(replace(plan, **{name: "another"}), gpu=False)
    with pytest.raises(InputError, match="taken by another, but this node has"):
        getattr(judge, name)
