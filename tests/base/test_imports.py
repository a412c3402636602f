"""Modules that files import: those that Python's own parser finds."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from conftest import ROOT
from matrix_entropy.base.imports import imports
from matrix_entropy.base.shipped import LIBRARY

FILES = [*sorted(LIBRARY.rglob("*.py")), *sorted((ROOT / "workflow" / "scripts").rglob("*.py"))]


def parsed(path: Path) -> set[str]:
    """The same by `ast`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("matrix_entropy"):
            inner = str(node.module).partition(".")[2].replace(".", "/")
            if (LIBRARY / f"{inner}.py").is_file():
                found.add(inner)
            else:
                names = [alias.name for alias in node.names if not alias.name.startswith("__")]
                found |= {f"{inner}/{name}".strip("/") for name in names}
    return found


def test_imports_of_every_file_are_those_that_the_parser_finds() -> None:
    assert {path: set(imports(path)) for path in FILES} == {path: parsed(path) for path in FILES}
    assert imports(LIBRARY / "maths" / "spectra.py")


@pytest.mark.parametrize(
    "text",
    [
        "from matrix_entropy.base import errors, files as f\n",
        "from matrix_entropy.base import (\n    errors,  # one, and\n    files as f,\n)\n",
        "def late():\n    from matrix_entropy.maths.entropy import entropy\n",
        "from matrix_entropy import __version__\n",
        "import numpy\n",
    ],
)
def test_all_ways_of_importing_are_seen(text: str, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(text)
    assert imports(path) == parsed(path)
