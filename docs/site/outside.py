"""Bring what lies outside of docs/ into the site, and turn links to where it is there.

In the repository a link is a path from a page to a file, as code hosts want it. In the site the
README is the first page, docs/NAME.md is NAME.md, and every other file that a page links to keeps
its path.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
MOVED = {
    "README.md": "index.md",
    "workflow/schemas/config.schema.yaml": "configuration.md",  # which is made of it
}
LINK = re.compile(r"(?<=\]\()[^)\s#]+")
# A number that the errata's own page takes out of a file (`pages.errata`); here stands which.
NUMBER = re.compile(r"\{((?:figures|results)/[^;}]+);\s+([^;}]+)[^}]*\}")
CODE = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)


def place_of(file: Path) -> str:
    """Where a file of the repository is in the site."""
    path = file.relative_to(ROOT).as_posix()
    return MOVED.get(path, path.removeprefix("docs/"))


def is_file(link: str) -> bool:
    """Whether a link leads to a file, and not to another site."""
    return not link.startswith(("https://", "http://", "mailto:"))


def linked(page: Path) -> Iterator[Path]:
    """Files that a page links to; the build ends with a sentence if one is not there."""
    for part in CODE.split(page.read_text(encoding="utf-8"))[::2]:
        for link in filter(is_file, LINK.findall(part)):
            file = (page.parent / link).resolve()
            if not file.is_file():
                raise PluginError(
                    f"{page.relative_to(ROOT)} links to {link}, which is no file; correct the link."
                )
            yield file


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README, and all that it and the pages of docs/ lead to."""
    waiting, seen = {ROOT / "README.md", *ROOT.glob("docs/*.md")}, set()
    while waiting:
        file = waiting.pop()
        seen.add(file)
        if files.get_file_from_path(place_of(file)) is None:
            # The navigation need not have it: a page leads to it.
            found = File.generated(
                config,
                place_of(file),
                abs_src_path=str(file),
                inclusion=InclusionLevel.NOT_IN_NAV,
            )
            files.append(found)
        if file.suffix == ".md":
            waiting |= {*linked(file)} - seen
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links turned, and with the places of numbers in words."""
    if page.file.abs_src_path is None:  # made for the site, and so are its links
        return markdown
    here = Path(page.file.abs_src_path).parent
    there = posixpath.dirname(page.file.src_uri)

    def turned(found: re.Match[str]) -> str:
        if not is_file(found.group()):
            return found.group()
        return posixpath.relpath(place_of((here / found.group()).resolve()), there or ".")

    parts = CODE.split(markdown)
    parts[::2] = [NUMBER.sub(r"(\2 in `\1`)", LINK.sub(turned, part)) for part in parts[::2]]
    return "".join(parts)
