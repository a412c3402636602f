"""`matrix-entropy list`: what there is to ask for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_to(parts: Any) -> None:
    """Describe this part of the command line."""
    part = parts.add_parser(
        "list",
        help="list metrics, kinds of figures and tables, papers, models, data sets",
        description="List what there is: metrics, kinds of figures and tables, papers, and the "
        "models and data sets of the configuration in this folder (of the papers, if it has none).",
        allow_abbrev=False,
    )
    part.add_argument("what", nargs="?", choices=LISTS, help="one of the lists; default all")
    part.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Print one list, or all under their headings."""
    if asked.what is not None:
        print("\n".join(_aligned(LISTS[asked.what]())))
        return
    for name, found in LISTS.items():
        print(f"{name}:", *(f"  {line}" for line in _aligned(found())), "", sep="\n")


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:{width}}  {says}".rstrip() for name, says in rows]


def _metrics() -> list[tuple[str, str]]:
    from matrix_entropy.results.columns import METRICS, of_spectra

    return [(m.name, f"{m.says} [{m.unit.name}], {m.source}") for m in (*METRICS, *of_spectra())]


def _kinds() -> list[tuple[str, str]]:
    from matrix_entropy.configuration.kinds import FIGURES, TABLES

    found = [(name, f"figure: {kind.says}") for name, kind in FIGURES.items()]
    return found + [(name, f"table: {kind.says}") for name, kind in TABLES.items()]


def _papers() -> list[tuple[str, str]]:
    from matrix_entropy.configuration.papers import paper, paper_names

    known = {name: paper(name) for name in paper_names() if name != "template"}
    return [(name, f"{found['reference']}: {found['title']}") for name, found in known.items()]


def _models() -> list[tuple[str, str]]:
    from matrix_entropy.command.configured import here

    return [
        (
            name,
            f"{model.get('title', '')} ({model['layers']} blocks, width {model['width']})".strip(),
        )
        for name, model in here()["models"].items()
    ]


def _datasets() -> list[tuple[str, str]]:
    from matrix_entropy.command.configured import here

    return [(name, entry.get("title", "")) for name, entry in here()["datasets"].items()]


LISTS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "metrics": _metrics,
    "kinds": _kinds,
    "papers": _papers,
    "models": _models,
    "datasets": _datasets,
}
