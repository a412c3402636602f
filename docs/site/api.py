"""List the modules of `matrix_entropy.maths` on the page of the library, for mkdocstrings."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

MATHS = Path(__file__).parents[2] / "src/matrix_entropy/maths"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with a section for every module."""
    if page.file.src_uri != "api.md":
        return markdown
    names = sorted(path.stem for path in MATHS.glob("[!_]*.py"))
    sections = [f"## {name}\n\n::: matrix_entropy.maths.{name}\n" for name in names]
    return "\n".join([markdown, *sections])
