"""Blocks of code of README and docs, and what those that belong to a file do to a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of code, and the file that it belongs to, if it says so."""

    language: str
    file: str
    code: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page; what says no language is typed."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(language or "bash", file, code) for language, file, code in found]


def follow(page: Path, folder: Path) -> None:
    """Write what a page says into a copy of the repository."""
    for block in blocks(page):
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.read_text(encoding="utf-8") if path.exists() else ""
            after = changed(before, block.code) if block.language == "diff" else before + block.code
            path.write_text(after, encoding="utf-8")


def changed(text: str, changes: str) -> str:
    """A text with changes made at the one place where their other lines stand.

    Examples
    --------
    >>> changed("a\\nb\\nc\\n", " a\\n-b\\n+B\\n c\\n")
    'a\\nB\\nc\\n'
    """
    lines = changes.splitlines(keepends=True)
    old = "".join(line[1:] or line for line in lines if line[0] != "+")
    new = "".join(line[1:] or line for line in lines if line[0] != "-")
    assert text.count(old) == 1, f"{text.count(old)} places for these changes:\n{changes}"
    return text.replace(old, new)
