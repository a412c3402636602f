"""The documentation as a site: whole, and nothing in it is fetched from elsewhere."""

from __future__ import annotations

import ast
import re

import pytest

import matrix_entropy
from conftest import ROOT
from matrix_entropy.configuration.checking import whole_schema

PUBLIC = (ast.FunctionDef, ast.ClassDef)


@pytest.fixture(scope="module")
def site() -> dict[str, str]:
    """Pages and styles of the built site by their paths."""
    folder = ROOT / "site"
    if not (folder / "index.html").is_file():
        pytest.skip("the site is not built: run `make site` first")
    files = [path for kind in ("html", "css") for path in folder.rglob(f"*.{kind}")]
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}


def test_nothing_is_fetched_from_elsewhere(site: dict[str, str]) -> None:
    assert len(site) > 20
    for path, content in site.items():
        loads = re.findall(r"<(?:script|img|link|iframe|source)\b[^>]*>", content)
        loads += re.findall(r"@import[^;]*|url\((?!.?data:)[^)]*\)", content)
        assert not [tag for tag in loads if re.search(r"//\w", tag)], path


def test_links_of_the_readme_lead_to_pages_of_the_site(site: dict[str, str]) -> None:
    links = re.findall(r'href="([^"#:]+)["#]', site["index.html"])
    for page in ("your-own.html", "metrics.html", "paper/liang2024/errata.html", "CHANGELOG.html"):
        assert page in links
        assert page in site
    assert not [link for link in links if link.endswith(".md")]


def test_the_reference_has_every_key(site: dict[str, str]) -> None:
    page = site["configuration.html"]
    parts = {"": whole_schema(), "models.name.": whole_schema()["$defs"]["model"]}
    for entry in ("dataset", "figure", "table"):
        parts[f"{entry}s.name."] = whole_schema()["$defs"][entry]
    for path, part in parts.items():
        for key in part["properties"]:
            assert f'id="key-{path}{key}"' in page


def test_the_library_is_there_whole(site: dict[str, str]) -> None:
    page = site["api.html"]
    for name in set(matrix_entropy.__all__) - {"__version__"}:
        assert re.search(rf'id="matrix_entropy\.api\.\w+\.{name}"', page), name
    for path in (ROOT / "src/matrix_entropy/maths").glob("[!_]*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, PUBLIC) and node.name[0] != "_":
                assert f'id="matrix_entropy.maths.{path.stem}.{node.name}"' in page


def test_every_list_is_one(site: dict[str, str]) -> None:
    """Code hosts begin a list in the middle of a paragraph, and the site does not."""
    for path, content in site.items():
        assert not re.findall(r"<p>[^<]*\n(?:[-*]|\d+\.) .*", content), path
