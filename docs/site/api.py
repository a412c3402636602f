"""List what the library offers on its page; mkdocstrings fills in the docstrings."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

import matrix_entropy

MATHS = Path(matrix_entropy.__file__).parent / "maths"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with a section for the public names, and one for every module of mathematics."""
    if page.file.src_uri != "api.md":
        return markdown
    public = [f"::: matrix_entropy.api.{module}\n" for module in matrix_entropy._PUBLIC]
    names = sorted(path.stem for path in MATHS.glob("[!_]*.py"))
    maths = [f"## maths.{name}\n\n::: matrix_entropy.maths.{name}\n" for name in names]
    return "\n".join([markdown, "## matrix_entropy\n", *public, *maths])
