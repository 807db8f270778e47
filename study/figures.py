"""The pictures of README and docs, made by the product from pictures that anyone may publish.

python -m study.figures

The portrait is scikit-image's astronaut (NASA, public domain), the faces are sampled from the weights' own generator.
The report's picture needs Chromium and is left as it is without.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
import torch
from PIL import Image, ImageDraw, ImageFont

from faceinpaint import restore
from faceinpaint.data.routing import cut, route
from faceinpaint.data.search import find_faces
from faceinpaint.data.user_masks import Polarity, user_hole
from faceinpaint.errors import InputError
from faceinpaint.evaluation.methods import load_method
from faceinpaint.models.build import build_generator
from faceinpaint.models.weights import load_config, load_weights
from faceinpaint.tensors import to_uint8

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
WEIGHTS = "weights/faces256"
SEEN = 256  # side of the pictures that its model sees
STUDIED = "weights/celeba64"  # the study's
SIZE = 64  # of its model
QUALITY = 82
FACE_HOLE = (slice(118, 160), slice(200, 250))  # rows, columns of the astronaut: nose and mouth
OTHER_HOLE = (slice(90, 140), slice(395, 425))  # on the rocket behind her
GAP = 8
COMPARED = ("biharmonic", "pconv", "rfr", "structure", "variant-1", "variant-2", "two-stage")

FACES = 24
TRUNCATION = 0.7  # of styles towards the mean one: fewer odd faces

Part = tuple[np.ndarray, str]


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    portrait = skimage.data.astronaut()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        figure("before-after", before_after(root / "before-after", portrait), 256)
        figure("routing", routing(root / "routing", portrait))
        figure("no-face", no_face(root / "no-face", portrait))
        figure("polarity", polarity(), 150)
        figure("holes", holes(root / "holes", portrait))
        figure("formats", formats(root / "formats", portrait))
        figure("compared", compared(portrait), 540)
        report(root / "report", portrait)


def figure(name: str, parts: list[Part], height: int = 240) -> None:
    """Parts side by side, each over its caption."""
    font = ImageFont.load_default(13)
    scaled = [Image.fromarray(_scaled(picture, height)) for picture, _ in parts]
    captions = [_wrapped(text, image.width // 7) for image, (_, text) in zip(scaled, parts, strict=True)]
    lines = max(caption.count("\n") + 1 for caption in captions)
    width = sum(image.width for image in scaled) + GAP * (len(parts) - 1)
    page = Image.new("RGB", (width, height + 6 + 17 * lines), "white")
    draw, x = ImageDraw.Draw(page), 0
    for image, caption in zip(scaled, captions, strict=True):
        page.paste(image, (x, 0))
        draw.text((x, height + 4), caption, "black", font)
        x += image.width + GAP
    page.save(PICTURES / f"{name}.jpg", quality=QUALITY)


def _scaled(picture: np.ndarray, height: int) -> np.ndarray:
    width = round(picture.shape[1] * height / picture.shape[0])
    how = cv2.INTER_NEAREST if picture.shape[0] < height else cv2.INTER_AREA
    return cv2.resize(picture, (width, height), interpolation=how)


def hole_of(shape: tuple[int, ...], *places: tuple[slice, slice]) -> np.ndarray:
    hole = np.zeros(shape[:2], np.uint8)
    for place in places:
        hole[place] = 1
    return hole


def run(root: Path, masks: str = "MASKS", **options: Any) -> None:
    """Restore ``root``/damaged into ``root``/out; MASKS: the folder ``root``/masks."""
    places = {"input": f"{root}/damaged", "output": f"{root}/out", "weights": WEIGHTS}
    restore(masks=masks.replace("MASKS", f"{root}/masks"), **places, **options)


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def marked(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    return np.where(hole[..., None] > 0, np.uint8(255), picture)


def before_after(root: Path, portrait: np.ndarray) -> list[Part]:
    """The portrait with scratches and a stain over the face, and restored."""
    window = (slice(0, 256), slice(96, 352))
    hole = np.zeros(portrait.shape[:2], np.uint8)
    scratch = np.array([[150, 40], [205, 95], [198, 150], [262, 205], [250, 250]])
    cv2.polylines(hole, [scratch, np.array([[270, 60], [232, 118], [178, 196]])], False, 1, 5)
    cv2.ellipse(hole, (212, 168), (22, 12), 25, 0, 360, 1, -1)
    write_case(root, "a.png", portrait, hole)
    run(root)
    return [
        (opened(root / "damaged/a.png")[window], "damaged; the mask says where"),
        (opened(root / "out/a.png")[window], "restored"),
        (portrait[window], "as it was"),
    ]


def routing(root: Path, portrait: np.ndarray) -> list[Part]:
    """One picture with a hole in the face and one beside it: where each goes."""
    hole = hole_of(portrait.shape, FACE_HOLE, OTHER_HOLE)
    write_case(root, "a.png", portrait, hole)
    run(root)
    damaged = opened(root / "damaged/a.png")
    seen = damaged.copy()
    for patch in route(damaged, hole, SEEN, "ffhq").patches:
        inverse = cv2.invertAffineTransform(patch.matrix)
        corners = np.array([[0, 0], [SEEN, 0], [SEEN, SEEN], [0, SEEN]], float) @ inverse[:, :2].T + inverse[:, 2]
        colour = (0, 160, 0) if patch.kind == "face" else (220, 120, 0)
        cv2.polylines(seen, [np.rint(corners).astype(np.int32)], True, colour, 3)
    face = next(patch for patch in route(damaged, hole, SEEN, "ffhq").patches if patch.kind == "face")
    assert len(find_faces(damaged, hole)) == 1
    return [
        (damaged, "two holes"),
        (seen, "green: to the face's model\norange: no face there"),
        (cut(damaged, hole, face)[0], "what the model sees"),
        (opened(root / "out/a.png"), "restored-fallback: one hole had no face"),
    ]


def no_face(root: Path, portrait: np.ndarray) -> list[Part]:
    """A hole without a face, by each ``--no-face``."""
    hole = hole_of(portrait.shape, OTHER_HOLE)
    window = (slice(0, 256), slice(256, 512))
    parts = [(marked(portrait, hole)[window], "no face at the hole\n--no-face skip: a row, no output")]
    for choice in ("classical", "crop"):
        write_case(root / choice, "a.png", portrait, hole)
        run(root / choice, no_face=choice)
        parts.append((opened(root / choice / "out/a.png")[window], f"--no-face {choice}"))
    return parts


def polarity() -> list[Part]:
    """Masks and what the guard says of them."""
    yes = hole_of((SIZE, SIZE), (slice(16, 36), slice(20, 44))) * np.uint8(255)
    grey = np.tile(np.linspace(0, 255, SIZE).astype(np.uint8), (SIZE, 1))
    cases: list[tuple[np.ndarray, Polarity]] = [
        (yes, "white-is-hole"),
        (255 - yes, "white-is-hole"),
        (255 - yes, "auto"),
        (grey, "white-is-hole"),
        (yes * 0, "white-is-hole"),
        (yes[:40], "white-is-hole"),
    ]
    parts = []
    for levels, choice in cases:
        try:
            verdict = f"hole: {user_hole(levels, choice, SIZE, SIZE).mean():.0%} of the picture"
        except InputError as error:
            verdict = f"refused: {error}"
        bordered = cv2.copyMakeBorder(levels, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=128)
        parts.append((cv2.cvtColor(bordered, cv2.COLOR_GRAY2RGB), f"{choice}\n{verdict}"))
    return parts


def _wrapped(text: str, width: int) -> str:
    lines = [""]
    for word in text.replace("\n", " \n ").split(" "):
        if word == "\n" or len(lines[-1]) + len(word) > width:
            lines.append("" if word == "\n" else word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def holes(root: Path, portrait: np.ndarray) -> list[Part]:
    """Holes in the picture itself: transparency, and a marker colour."""
    window = (slice(0, 256), slice(96, 352))
    strokes = np.zeros(portrait.shape[:2], np.uint8)
    cv2.polylines(strokes, [np.array([[185, 60], [230, 130], [205, 175], [262, 100]])], False, 1, 9)
    (root / "alpha/damaged").mkdir(parents=True)
    Image.fromarray(np.dstack([portrait, 255 * (1 - strokes)])).save(root / "alpha/damaged/a.png")
    (root / "colour/damaged").mkdir(parents=True)
    green = np.where(strokes[..., None] > 0, np.array([0, 255, 0], np.uint8), portrait)
    Image.fromarray(green).save(root / "colour/damaged/a.png")
    run(root / "alpha", masks="alpha")
    run(root / "colour", masks="color:#00FF00")
    rows, columns = np.indices(portrait.shape[:2]) // 6 % 2
    checks = np.where((rows != columns)[..., None], np.uint8(255), np.uint8(200))
    return [
        (np.where(strokes[..., None] > 0, checks, portrait)[window], "transparent pixels"),
        (opened(root / "alpha/out/a.png")[window], "--masks alpha"),
        (green[window], "a marker colour"),
        (opened(root / "colour/out/a.png")[window], "--masks color:#00FF00"),
    ]


def formats(root: Path, portrait: np.ndarray) -> list[Part]:
    """What changes outside the hole of a JPEG that stays JPEG, and of one that becomes PNG."""
    window = (slice(0, 256), slice(96, 352))
    hole = hole_of(portrait.shape, FACE_HOLE)
    results = {}
    for choice in ("keep", "png"):
        for kind, pixels in (("damaged", marked(portrait, hole)), ("masks", hole * 255)):
            path = root / choice / kind / ("a.jpg" if kind == "damaged" else "a.png")
            path.parent.mkdir(parents=True)
            Image.fromarray(pixels).save(path, quality=85)
        run(root / choice, format=choice)
        results[choice] = opened(root / choice / "out" / ("a.jpg" if choice == "keep" else "a.jpg.png"))
    damaged = opened(root / "keep/damaged/a.jpg")
    parts: list[Part] = [(results["keep"][window], "restored JPEG")]
    for choice, caption in (("keep", "--format keep"), ("png", "--format png")):
        moved = cv2.absdiff(results[choice], damaged)
        moved[hole > 0] = 0
        outside = moved[hole == 0]
        caption = f"{caption}: moved outside the hole (x 36)\nmean {outside.mean():.3f}, most {outside.max()} of 255"
        parts.append((np.minimum(moved, 7)[window] * np.uint8(36), caption))
    return parts


def compared(portrait: np.ndarray) -> list[Part]:
    """The same hole in sampled faces and in the portrait, by every method of the study; truth and hole first."""
    patch = next(
        p for p in route(portrait, hole_of(portrait.shape, FACE_HOLE), SIZE, "celeba").patches if p.kind == "face"
    )
    images = np.stack([*sample_faces(STUDIED)[:4], cut(portrait, portrait[..., 0] * 0, patch)[0]])
    masks = np.stack([hole_of((SIZE, SIZE), (slice(26, 50), slice(20, 44)))] * len(images))
    results = {"truth": images, "hole": np.where(masks[..., None] > 0, np.uint8(255), images)}
    for name in COMPARED:
        results[name] = load_method(name, STUDIED)(images, masks)
    return [(np.vstack(list(pictures)), name) for name, pictures in results.items()]


def report(root: Path, portrait: np.ndarray) -> None:
    """A picture of ``report.html`` over sampled faces, the portrait and a file that is no picture."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("no Chromium: pictures/report.jpg stays as it is")
        return
    for i, face in enumerate(sample_faces(STUDIED)):
        share = 12 + i % 8 * 4
        hole = hole_of(face.shape, (slice(20, 20 + share), slice(16, 16 + share)))
        write_case(root, f"faces/{i:02d}.png", face, hole)
    write_case(root, "portrait.png", portrait, hole_of(portrait.shape, FACE_HOLE, OTHER_HOLE))
    (root / "damaged/notes.txt").write_text("no picture")
    run(root)
    shot = root / "report.png"
    command = [browser, "--headless", "--no-sandbox", f"--user-data-dir={root}/browser", "--window-size=1160,1150"]
    command += ["--hide-scrollbars", f"--screenshot={shot}", (root / "out/report.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    image = Image.open(shot).convert("RGB")
    size = (image.width * 4 // 5, image.height * 4 // 5)
    image.resize(size, Image.Resampling.LANCZOS).save(PICTURES / "report.jpg", quality=QUALITY)


def sample_faces(weights: str) -> np.ndarray:
    """FACES seeded faces of the weights' generator, uint8 (N, S, S, 3)."""
    generator = build_generator(load_config(weights)).eval()
    load_weights(weights, "generator", generator)
    with torch.inference_mode():
        mean = generator.mean_latent()
        z = torch.randn(FACES, generator.style_dim, generator=torch.Generator().manual_seed(7))
        styles = mean + TRUNCATION * (generator.map(z) - mean)
        pictures = generator.synthesize(styles[:, None].expand(-1, generator.n_styles, -1))
    return to_uint8(pictures)


def write_case(folder: Path, name: str, picture: np.ndarray, hole: np.ndarray) -> None:
    """original/, masks/ (white is the hole) and damaged/ (the hole painted white) of one picture."""
    damaged = np.where(hole[..., None] > 0, np.uint8(255), picture)
    for kind, pixels in (("original", picture), ("masks", hole * 255), ("damaged", damaged)):
        path = folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


if __name__ == "__main__":
    main()
