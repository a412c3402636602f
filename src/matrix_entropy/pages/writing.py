"""Pages to read: an executed notebook or a Markdown text as one HTML file that needs no other.

Figures and style are inside, formulas are MathML, no script runs; the same source gives the same
bytes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing
from matrix_entropy.configuration.papers import paper
from matrix_entropy.pages.page_checks import check_page
from matrix_entropy.pages.page_markdown import PageRenderer, markdown_html
from matrix_entropy.pages.page_style import STYLE

# What links call the pages that stand beside those of the papers, NAME.html each.
TITLES = {"index": "Overview", "errata": "Errata", "comparison": "Comparison"}
CONTENTS_FROM = 3  # sections; fewer are seen without a list of them


def write_page(source: str | Path, page: str | Path, pages: Iterable[str]) -> None:
    """Write ``page``, an HTML file, from a notebook that has been run or from Markdown.

    Parameters
    ----------
    source : path
        Ends in ``.ipynb`` or ``.md``. Images of Markdown are PNG files, sought from its folder.
    page : path
        Ends in ``.html``. The first heading becomes its title.
    pages : iterable of str
        Those that are built beside it, itself among them, to be linked in this order: papers and
        those of `TITLES`.

    Raises
    ------
    InputError
        If a formula cannot be translated, an image is missing or has no alt text, or anything would
        come from outside.
    """
    source, page = Path(source), Path(page)
    renderer = PageRenderer(source.parent)
    if source.suffix == ".ipynb":
        body = notebook_html(nbformat.read(source, as_version=4), renderer)
    else:
        body = markdown_html(source.read_text(encoding="utf-8"), renderer)
    whole = _page(body, page.stem, renderer.headings, list(pages))
    check_page(page.stem, whole)
    with writing(page) as temporary:
        temporary.write_text(whole, encoding="utf-8")


def notebook_html(notebook: Any, renderer: PageRenderer) -> str:
    """The cells of a notebook that has been run: texts and outputs, code folded away.

    Raises
    ------
    InputError
        If a cell ended with an error, or put out something that no page can show.
    """
    parts: list[str] = []
    waiting: list[str] = []  # code that has put out nothing yet: one fold with what follows it
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(markdown_html(cell.source, renderer))
        elif cell.cell_type == "code" and cell.source.strip():
            waiting.append(html.escape(cell.source))
            if cell.outputs:
                parts.append(_fold(waiting))
                parts.extend(_output_html(output, renderer) for output in cell.outputs)
                waiting = []
    return "".join([*parts, *([_fold(waiting)] if waiting else [])])


def _fold(code: list[str]) -> str:
    shown = "\n\n".join(code)
    return f"<details><summary>Code</summary><pre><code>{shown}</code></pre></details>\n"


def _output_html(output: Any, renderer: PageRenderer) -> str:
    if output.output_type == "stream":
        return f"<pre>{html.escape(output.text)}</pre>\n"
    if output.output_type == "error":
        raise InputError(f"the notebook ended with {output.ename}: {output.evalue}; run it again.")
    # What a page shows best comes first; HTML is taken as it is and looked at with the whole page.
    if "text/html" in output.data:
        return f"{output.data['text/html']}\n"
    if "text/markdown" in output.data:
        return markdown_html(output.data["text/markdown"], renderer)
    if "text/plain" in output.data and not any(kind.startswith("image/") for kind in output.data):
        return f"<pre>{html.escape(output.data['text/plain'])}</pre>\n"
    kinds = ", ".join(output.data)
    raise InputError(f"a cell put out {kinds}; show it with matrix_entropy.pages.notebook.")


def called(page: str) -> str:
    """What a page is called in links to it."""
    return TITLES.get(page) or paper(page)["reference"]


def _page(body: str, name: str, headings: list[tuple[int, str, str]], pages: list[str]) -> str:
    here = {name: ' aria-current="page"'}
    links = "".join(
        f'<li><a href="{other}.html"{here.get(other, "")}>{html.escape(called(other))}</a></li>'
        for other in pages
    )
    titles = [text for level, _, text in headings if level == 1]
    title = re.sub("<[^>]*>", "", titles[0]) if titles else called(name)
    sections = [(anchor, text) for level, anchor, text in headings if level == 2]
    if len(sections) >= CONTENTS_FROM:
        listed = "".join(f'<li><a href="#{anchor}">{text}</a></li>' for anchor, text in sections)
        contents = f'<nav class="contents" aria-label="On this page"><ul>{listed}</ul></nav>\n'
        first = body.index("</h1>\n") + len("</h1>\n") if titles else 0
        body = body[:first] + contents + body[first:]
    return (
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} · matrix-entropy</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#content">To the text</a>\n'
        f'<nav class="pages" aria-label="Pages"><ul>{links}</ul></nav>\n'
        f'<main id="content">\n{body}</main>\n</body>\n</html>\n'
    )
