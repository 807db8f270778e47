"""Hooks of mkdocs: README, CONTRIBUTING and CHANGELOG are pages too; linked files beside docs/ come along."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"\[([^\[\]]*)\]\((?!https?://|#|mailto:)([^)\s#]+)(#[^)\s]+)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    sources = {ROOT / source: "" for source in PAGES} | dict.fromkeys((ROOT / "docs").glob("*.md"), "docs")
    texts = [(folder, path.read_text()) for path, folder in sources.items()]
    linked = {_target(folder, match[2]) for folder, text in texts for match in LINK.finditer(text)}
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for target in sorted(linked):
        if _is_copied(target):
            files.append(File.generated(config, _place(target), content=(ROOT / target).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The repository's links, whose pages start from another folder; those to folders become plain text."""
    folder = "" if page.file.src_path in PAGES.values() else "docs"

    def moved(match: re.Match[str]) -> str:
        target = _target(folder, match[2])
        if (ROOT / target).is_dir():
            return match[1]
        place = _place(target) if _is_copied(target) else PAGES.get(target, target.removeprefix("docs/"))
        return f"[{match[1]}]({place}{match[3] or ''})"

    return LINK.sub(moved, markdown)


def _target(folder: str, link: str) -> str:
    """A link's target from the repository's root."""
    return posixpath.normpath(posixpath.join(folder, link))


def _is_copied(target: str) -> bool:
    return target not in PAGES and not target.startswith("docs/") and (ROOT / target).is_file()


def _place(target: str) -> str:
    """Where a file of the repository lies on the site; what would become a page is shown as text."""
    return f"files/{target}" + (".txt" if target.endswith(".md") else "")
