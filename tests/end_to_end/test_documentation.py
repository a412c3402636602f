"""README and docs: every relative link leads to a file, and every anchor to a heading."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "config/README.md", *sorted(ROOT.glob("docs/*.md"))]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Those that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
        if not link.startswith("https://"):
            file, _, anchor = link.partition("#")
            target = (page.parent / file) if file else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_the_readme_leads_to_every_page() -> None:
    readme = PAGES[0].read_text("utf-8")
    pages = [page.relative_to(ROOT).as_posix() for page in PAGES[1:]]
    assert not [page for page in pages if f"({page})" not in readme]


def test_benchmarks_find_what_they_import() -> None:
    """`make benchmark` takes minutes, so that nothing here runs it."""
    recipe = re.search(
        r"^benchmark:.*?for name in (?P<names>[\w ]+);.*?PYTHONPATH=(?P<path>\S+)",
        (ROOT / "Makefile").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert recipe
    folders = [ROOT / "tests/benchmarks", *(ROOT / part for part in recipe["path"].split(":"))]
    for name in recipe["names"].split():
        tree = ast.parse((ROOT / f"tests/benchmarks/{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = node.module.partition(".")[0]
                here = any(list(folder.glob(f"{module}*")) for folder in folders)
                ours = any((ROOT / part / f"{module}.py").is_file() for part in ("src", "tests"))
                assert here or not ours, f"{name} imports {module}, which is not on its path"
