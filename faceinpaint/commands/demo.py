"""See it work: damage faces, restore them on Ray by both stages, judge the result, and print the page to look at.

Needs no data: the faces are sampled from the weights' own generator (so they are nobody's), and the portrait is
scikit-image's public-domain photograph of the astronaut Eileen Collins.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from faceinpaint.data.masks import Freeform, Squares, generated_hole
from faceinpaint.errors import InputError

FACES = 24
MARKER = ".faceinpaint-demo"  # in a folder that the next demo may replace
TRUNCATION = 0.7  # of styles towards the mean one: fewer odd faces
SCRATCHES = Freeform(0.1, 0.25)
PORTRAIT_HOLE = (slice(120, 168), slice(200, 252))  # rows, columns: nose and mouth

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>faceinpaint</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}
img{height:128px;image-rendering:pixelated}img.astro{height:300px;image-rendering:auto}td{padding:.2em .6em}</style>
<h1>Damaged, restored, original</h1>
<p>The faces come from the model's own generator; the portrait is scikit-image's astronaut. More:
<a href="restored/report.html">what the restoration says</a>, <a href="evaluation/report.html">what the evaluation
measured</a>.</p><table>{% for name in names %}<tr>
{% for folder in ("damaged", "restored", "original") %}
<td><img class="{{ name[:5] }}" alt="{{ folder }} {{ name }}" src="{{ folder }}/{{ name }}"></td>
{% endfor %}</tr>{% endfor %}</table></html>"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="faceinpaint demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="weights/celeba64", help="weights folder with a generator")
    parser.add_argument("--output", default="runs/demo", help="local folder; an earlier demo in it is replaced")
    args = parser.parse_args(arguments)
    from faceinpaint.inference.restore import Options, restore  # torch and Ray take seconds: not for --help

    folder = Path(args.output)
    faces = sample_faces(args.weights)
    clear(folder)
    write_pictures(folder, faces)
    counts = restore(
        Options(input=f"{folder}/damaged", masks=f"{folder}/masks", output=f"{folder}/restored", weights=args.weights)
    )
    judge(folder, args.weights)
    names = sorted(str(path.relative_to(folder / "original")) for path in (folder / "original").rglob("*.png"))
    page = folder / "index.html"
    page.write_text(jinja2.Environment(autoescape=True).from_string(PAGE).render(names=names))
    print(f"{sum(counts.values())} pictures on Ray, {counts.get('restored', 0)} restored by both stages")
    print(f"look at {page.resolve()}")
    return 0


def sample_faces(weights: str) -> np.ndarray:
    """FACES seeded faces of the weights' generator, uint8 (N, S, S, 3)."""
    import torch

    from faceinpaint.models.build import build_generator
    from faceinpaint.models.weights import load_config, load_weights
    from faceinpaint.tensors import to_uint8

    generator = build_generator(load_config(weights)).eval()
    load_weights(weights, "generator", generator)
    with torch.inference_mode():
        mean = generator.mean_latent()
        z = torch.randn(FACES, generator.style_dim, generator=torch.Generator().manual_seed(7))
        styles = mean + TRUNCATION * (generator.map(z) - mean)
        pictures = generator.synthesize(styles[:, None].expand(-1, generator.n_styles, -1))
    return to_uint8(pictures)


def clear(folder: Path) -> None:
    """Remove an earlier demo; refuse a folder that no demo made."""
    marker = folder / MARKER
    if folder.exists() and any(folder.iterdir()):
        if not marker.exists():
            raise InputError(f"{folder} is not empty and no demo made it: choose another --output")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()


def write_pictures(folder: Path, faces: np.ndarray) -> None:
    """original/, masks/ (white is the hole) and damaged/ (the hole painted white), for all faces and the portrait."""
    import skimage.data

    pictures = {f"faces/{i:02d}.png": face for i, face in enumerate(faces)}
    side = faces.shape[1]
    for i, (name, face) in enumerate(pictures.items()):
        hole = generated_hole(SCRATCHES if i % 2 else Squares(), name, side, side, side)
        write_case(folder, name, face, hole)
    portrait = skimage.data.astronaut()
    hole = np.zeros(portrait.shape[:2], np.uint8)
    hole[PORTRAIT_HOLE] = 1
    write_case(folder, "astronaut.png", portrait, hole)


def write_case(folder: Path, name: str, picture: np.ndarray, hole: np.ndarray) -> None:
    damaged = np.where(hole[..., None] > 0, np.uint8(255), picture)
    for kind, pixels in (("original", picture), ("masks", hole * 255), ("damaged", damaged)):
        path = folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def judge(folder: Path, weights: str) -> None:
    """Compare the method with classical fills on the sampled faces."""
    from faceinpaint.evaluation.driver import evaluate
    from faceinpaint.evaluation.plan import make_plan
    from faceinpaint.evaluation.report import write_report
    from faceinpaint.evaluation.rows import write_rows
    from faceinpaint.evaluation.tables import print_summary

    plan = make_plan(
        data=f"{folder}/original/faces",
        masks="squares",
        methods=["two-stage", "structure", "biharmonic", "telea"],
        weights=weights,
        output=f"{folder}/evaluation",
        workers=1,
    )
    metrics, batches = evaluate(plan)
    write_report(plan, metrics, write_rows(plan, batches))
    print_summary(metrics)
