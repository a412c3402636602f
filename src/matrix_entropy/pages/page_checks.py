"""What every page keeps: nothing from outside, a word for every image, tables that scroll."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from matrix_entropy.base.errors import InputError

FROM_OUTSIDE = ("script", "link", "iframe", "object", "embed", "base", "audio", "video", "source")
ADDRESSES = ("src", "srcset", "poster", "background", "data")
IN_STYLE = re.compile(r"@import|@font-face|url\(|expression\(", re.IGNORECASE)
EMPTY = frozenset(
    ("area", "br", "col", "hr", "img", "input", "meta", "wbr")
)  # elements that hold nothing and are never closed


def check_page(name: str, page: str) -> None:
    """Refuse a page that is not all by itself.

    Raises
    ------
    InputError
        If the page runs a script, takes anything from another file or address (a link that a reader
        may follow is none), has an image without alt text, or a table outside a box that scrolls.
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    if reader.faults:
        raise InputError(f"the page '{name}' cannot be written: {reader.faults[0]}.")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.open: list[tuple[str, bool]] = []  # elements around, and whether each scrolls

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag in FROM_OUTSIDE:
            self.faults.append(f"it has a <{tag}>; show a picture or a table in its place")
        for name, value in given.items():
            if name in ADDRESSES and not value.startswith("data:"):
                self.faults.append(f"it takes '{value}' from outside; put it into the page")
            if name.startswith("on") or (name == "href" and value.startswith("javascript:")):
                self.faults.append(f"its <{tag}> runs a script; leave '{name}' out")
        if IN_STYLE.search(given.get("style", "")):
            self.faults.append("a style takes something from outside; leave it out")
        if tag == "img" and not given.get("alt", "").strip():
            self.faults.append("an image has no alt text; say what it shows")
        if tag == "table" and not any(scrolls for _, scrolls in self.open):
            self.faults.append("a table has no box to scroll in; show it as Markdown")
        if tag not in EMPTY:
            self.open.append((tag, "scroll" in given.get("class", "").split()))

    def handle_endtag(self, tag: str) -> None:
        while any(name == tag for name, _ in self.open) and self.open.pop()[0] != tag:
            pass  # elements whose end is optional end with the one around them

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == "style" and IN_STYLE.search(data):
            self.faults.append("a style takes something from outside; leave it out")
