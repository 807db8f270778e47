"""What the documentation names exists: files, links, tests, commands and their flags, modules, targets, fields."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from faceinpaint.commands import VERBS
from faceinpaint.config import Config
from faceinpaint.load_config import load_preset, preset_names
from faceinpaint.models.public_weights import PUBLIC_FILES
from faceinpaint.stages import STAGES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("weights/*/README.md")])
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
NAMES = {name.rpartition("/")[2] for name in TRACKED}
FOLDERS = {name.partition("/")[0] for name in TRACKED if "/" in name} - {"weights"}
JOB_VERBS = {"batch_inpaint": "restore"}
FIELD_ROOTS = {*Config.model_fields, *STAGES}


def each(find):
    """One case for every thing that ``find`` yields on a page."""
    cases = [(page, found) for page in PAGES for found in find(page.read_text())]
    ids = [f"{page.relative_to(ROOT)}: {found if isinstance(found, str) else ' '.join(found)}" for page, found in cases]
    return pytest.mark.parametrize(("page", "found"), cases, ids=ids)


def links(text):
    return sorted(set(re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", text)))


def paths(text):
    """Files of ours in code: by a path below one of our folders, or by the name of a Python file or script."""
    for word in sorted({word for code in re.findall(r"`([^`\n]+)`", text) for word in code.split()}):
        if re.fullmatch(r"[\w./-]+\.(py|sh|toml|ipynb|gz)", word) or (
            word.partition("/")[0] in FOLDERS and re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", word)
        ):
            yield word


def commands(text):
    """(verb, flag...) of every command line in code, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line for line in joined.splitlines() if line.startswith(("    ", "\t"))]
    blocks = re.findall(r"^```.*?\n(.*?)^```", joined, re.DOTALL | re.MULTILINE)
    lines += [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", joined)
    for line in lines:
        line = line.partition(" #")[0]
        for match in re.finditer(r"(?:^|[\s\"'])(?:faceinpaint|python jobs/(\w+)\.py)\s+([^|;&\"]*)", line):
            verb = match[1] and JOB_VERBS.get(match[1], match[1])
            words = match[2].split()
            verb = verb or (words[0] if words else "")
            if verb in VERBS or match[1]:
                yield (verb, *sorted({word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}))


def flags(text):
    """Flags in code on their own: ``--name`` at the start of a code span."""
    return sorted({word for code in re.findall(r"`(--[^`\n]+)`", text) for word in re.findall(r"--[a-z][a-z-]+", code)})


def modules(text):
    return sorted(set(re.findall(r"python -m ((?:study|bench|faceinpaint)[\w.]*)", text)))


def targets(text):
    found = re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", text, re.MULTILINE)
    return sorted(set(found) | set(re.findall(r"&& make ([a-z-]+)", text)))


def fields(text):
    """Dotted names of the configuration: in --set, and in code that begins with a field or a stage."""
    named = set(re.findall(r"--set ([\w.-]+)=", text))
    for code in re.findall(r"`([a-z]\w*(?:\.[\w*-]+)+)(?:=[^`]*)?`", text):
        if code.partition(".")[0] in FIELD_ROOTS and not re.search(r"\.(py|md|yaml|json|safetensors|\d+)$", code):
            named.add(code)
    return sorted(named - {"path.to.field"})


@each(links)
def test_links_lead_somewhere(page, found):
    path, _, anchor = found.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    if anchor and target.suffix == ".md":
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@each(paths)
def test_files_exist(page, found):
    if "X" in Path(found).stem or "*" in found:  # a name to fill in
        return
    there = [ROOT / found, page.parent / found, ROOT / "faceinpaint" / found]
    assert any(path.exists() for path in there) or ("/" not in found and found in NAMES)


@pytest.fixture(scope="module")
def known_flags():
    """Flags by verb, from its help."""
    known = {}
    for verb in VERBS:
        shown = subprocess.run([sys.executable, "-m", "faceinpaint", verb, "--help"], cwd=ROOT, capture_output=True)
        known[verb] = set(re.findall(r"--[a-z][a-z-]+", shown.stdout.decode()))
    known["weights"] |= {"--output"}  # of its sub-command convert
    return known


@each(commands)
def test_commands_take_their_flags(page, found, known_flags):
    verb, *given = found
    assert verb in VERBS
    unknown = set(given) - known_flags[verb] - {"--version"}
    assert not unknown


@each(flags)
def test_flags_are_some_commands(page, found, known_flags):
    of_others = {"--runtime-env-json", "--working-dir", "--stats-only", "--generate", "--dist", "--damaged", "--kinds"}
    assert any(found in of_verb for of_verb in known_flags.values()) or found in of_others


@each(modules)
def test_modules_exist(page, found):
    assert importlib.util.find_spec(found)


@each(targets)
def test_targets_exist(page, found):
    assert re.search(rf"^{found}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@each(fields)
def test_fields_exist(page, found):
    tree = load_preset("celebahq256").model_dump()
    for name in found.replace("STAGE", "texture").replace("train.$v", "train.variant-1").split("."):
        if name == "*":
            return
        assert name in tree, found
        tree = tree[name]


def test_the_table_of_public_files_names_fields_that_exist():
    named = [name for file in PUBLIC_FILES for name in re.findall(r"pretrained\.(\w+)", file.accepted_by)]
    assert len(named) == 3
    assert set(named) <= set(load_preset("tiny").pretrained.model_dump())


def test_help_names_every_preset():
    shown = subprocess.run([sys.executable, "-m", "faceinpaint", "train", "--help"], cwd=ROOT, capture_output=True)
    assert set(preset_names()) <= set(re.findall(r"[\w-]+", shown.stdout.decode()))


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Licence" in (tmp_path / "index.html").read_text()
    reference = (tmp_path / "reference" / "index.html").read_text()
    assert "faceinpaint.inference.inpainter.Inpainter.load" in reference
    assert 'href="../files/bench/results.md.txt"' in (tmp_path / "speed" / "index.html").read_text()
    for name in ("bench/results.md", "weights/faces256/README.md"):  # linked from pages, and brought along
        assert (tmp_path / "files" / f"{name}.txt").read_bytes() == (ROOT / name).read_bytes()


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.y*ml")), ids=lambda path: path.name)
def test_github_files_are_sound_and_call_what_exists(path):
    tree = yaml.safe_load(path.read_text())
    assert isinstance(tree, dict)
    for target in re.findall(r"run: make ([a-z-]+)", path.read_text()):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
