"""The rooms of the library: each imports from itself and from those below it only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT

LIBRARY = ROOT / "src/matrix_entropy"
# From the lowest.
ROOMS = (
    *("base", "running", "maths", "sources", "configuration", "texts/synthetic", "texts"),
    *("models", "models/vision", "results", "states", "published"),
    *("figures", "figures/kinds", "tables", "pages", "estimate", "api", "command"),
)


def room_of(module: Path) -> str:
    return module.parent.relative_to(LIBRARY).as_posix()


def imported(file: Path) -> Iterator[Path]:
    """Files of the library that a file imports anywhere, by their paths."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("matrix_entropy."):
            path = LIBRARY.joinpath(*node.module.split(".")[1:])
            yield from (
                [path.with_suffix(".py")]
                if path.with_suffix(".py").is_file()
                else [path / f"{alias.name}.py" for alias in node.names]
            )


def test_every_module_has_a_room() -> None:
    rooms = {room_of(path) for path in LIBRARY.rglob("*.py")} - {"."}
    assert rooms == set(ROOMS)
    assert [path.name for path in LIBRARY.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("room", ROOMS)
def test_no_import_points_upwards(room: str) -> None:
    above = ROOMS[ROOMS.index(room) + 1 :]
    for path in (LIBRARY / room).glob("*.py"):
        for other in imported(path):
            assert other.is_file(), (path, other)
            assert room_of(other) not in above, f"{path} imports {other}, which is above it"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_itself_holds_nothing(room: str) -> None:
    """A job depends on the modules that it imports, and not on the packages they are in."""
    body = ast.parse((LIBRARY / room / "__init__.py").read_text(encoding="utf-8")).body
    assert [type(node) for node in body] == [ast.Expr]
