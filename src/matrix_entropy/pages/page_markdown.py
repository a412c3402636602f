"""Markdown to HTML that needs nothing from outside: formulas as MathML, images inside the page.

Raw HTML in Markdown is shown as it is written, never obeyed.
"""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mistune
from latex2mathml import exceptions
from latex2mathml.converter import convert
from mistune.plugins.math import math
from mistune.plugins.table import table
from PIL import Image

from matrix_entropy.base.errors import InputError

# Figures are saved at 200 dots an inch and laid out at 100, which is about a browser's pixel.
SHARPNESS = 2
SMALL = "small"  # the title of an image that is to be
SMALL_WIDTH = 272  # as wide as an item of the first page
# Browsers set a function's name as close as a factor: between it and what is no parenthesis stands
# a thin space, as in LaTeX.
THIN_SPACE = '<mspace width="0.167em" />'
FUNCTION = r"<mi>[a-z]{2,}</mi>"
AFTER_OPERAND = re.compile(rf"(</(?:mi|mn|msub|msup|msubsup|mfrac|mstyle)>)({FUNCTION})")
BEFORE_OPERAND = re.compile(rf"({FUNCTION})(?!<mo|</)")
FORMULA_ERRORS: tuple[type[Exception], ...] = (
    ElementTree.ParseError,
    *(error for error in vars(exceptions).values() if isinstance(error, type)),
)


def mathml(formula: str, block: bool = False) -> str:
    """A LaTeX formula as MathML, which browsers show without a script.

    Raises
    ------
    InputError
        If the formula is no LaTeX, or has a command or environment that cannot be translated.

    Examples
    --------
    >>> mathml("H")[-30:]
    '<mrow><mi>H</mi></mrow></math>'
    """
    try:
        translated = convert(formula, display="block" if block else "inline")
        # A command that the translator does not know stays as it was, an `&` makes no XML.
        shown = "".join(ElementTree.fromstring(translated).itertext())
    except FORMULA_ERRORS as error:
        raise InputError(_untranslated(formula)) from error
    if "\\" in shown:
        raise InputError(_untranslated(formula))
    translated = AFTER_OPERAND.sub(rf"\1{THIN_SPACE}\2", translated)
    return BEFORE_OPERAND.sub(rf"\1{THIN_SPACE}", translated)


def _untranslated(formula: str) -> str:
    return f"the formula ${formula}$ cannot be turned into MathML; write it with simpler commands."


def picture_html(path: Path, alt: str, small: bool = False) -> str:
    """An image element that holds the PNG file, at the size of which its pixels are sharp.

    A ``small`` one is made no wider than `SMALL_WIDTH`.

    Raises
    ------
    InputError
        If there is no such file, it is no PNG, or nothing says what it shows.
    """
    if not alt.strip():
        raise InputError(f"nothing says what the image {path} shows; give it an alt text.")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"the image {path} does not exist; build it first.") from None
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            size = image.size
            if small:
                shrunk = image.convert("RGB")
                shrunk.thumbnail((SHARPNESS * SMALL_WIDTH, SHARPNESS * SMALL_WIDTH))
                written = io.BytesIO()
                shrunk.quantize(64).save(written, "PNG", optimize=True)
                content, size = written.getvalue(), shrunk.size
            width, height = (round(pixels / SHARPNESS) for pixels in size)
    except OSError:
        raise InputError(f"the image {path} is no PNG file; save it as one.") from None
    data = base64.b64encode(content).decode("ascii")
    return (
        f"<img {f'class={SMALL} ' if small else ''}"
        f'src="data:image/png;base64,{data}" alt="{html.escape(alt)}" '
        f'width="{width}" height="{height}">'
    )


class PageRenderer(mistune.HTMLRenderer):
    """What Markdown becomes on a page; ``headings`` are all so far: level, anchor and HTML.

    One renderer serves all texts of a page, so that no anchor is given twice.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(escape=True)
        self.folder = folder
        self.headings: list[tuple[int, str, str]] = []

    def heading(self, text: str, level: int, **_: Any) -> str:
        words = re.sub(r"<[^>]*>", "", text).casefold()
        anchor = re.sub(r"\W+", "-", html.unescape(words)).strip("-")
        taken = {name for _, name, _ in self.headings}
        number = 1
        while (name := anchor if number == 1 else f"{anchor}-{number}") in taken:
            number += 1
        self.headings.append((level, name, text))
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return picture_html(self.folder / url, text, small=title == SMALL)

    def inline_math(self, text: str) -> str:
        return mathml(text)

    def block_math(self, text: str) -> str:
        return f'<div class="formula">{mathml(text.strip(), block=True)}</div>\n'

    def table(self, text: str) -> str:
        # A box of its own scrolls sideways, also by keyboard, where the page is too narrow.
        return (
            '<div class="scroll" tabindex="0" role="region" aria-label="Table">'
            f"<table>\n{text}</table></div>\n"
        )


def markdown_html(text: str, renderer: PageRenderer) -> str:
    """A Markdown text as HTML, with GitHub's tables and formulas between dollar signs."""
    markdown = mistune.Markdown(renderer=renderer, plugins=[math, table])
    return str(markdown(text))


def escaped_markdown(text: str) -> str:
    """Words that stand in Markdown, also in a cell of a table, as they are.

    Examples
    --------
    >>> print(escaped_markdown("a|b $5 _x_"))
    a\\|b \\$5 \\_x\\_
    """
    return re.sub(r"([\\`*_\[\]<>|~$&])", r"\\\1", " ".join(text.split()))
