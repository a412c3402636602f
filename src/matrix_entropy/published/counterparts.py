"""Which figures and tables have a published counterpart, and in which file their numbers stand."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from typing import Any

from matrix_entropy.base.shipped import published

Entry = dict[str, Any]

# Its lists of tokens are compared in a way of their own.
TAN = "tan2024"
# Of a paper whose figures of scaling have the numbers of its tables, the table of each family.
TABLES_OF_FAMILIES = {"wei2024": {"cerebras-gpt": "8", "pythia": "9"}}

# What `paper:` says of figures and tables of a real model that is none of the papers'.
REAL_MODEL = "real_model"
# Of these kinds the papers' texts say in general what rises or falls (`published.claims`).
CLAIMED = (
    *("group_gaps", "context_length", "operations", "variants"),
    *("information_gain", "sentence_map", "token_selection"),
)
# Of these the paper draws a figure without a printed number, and its text says what is to be seen.
TOLD_BY = {"context_length": "wei2024", "operations": "wei2024", "information_gain": TAN}


def counterparts(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Of the figures and tables that have a published counterpart, the file of their numbers.

    Parameters
    ----------
    entries : mapping
        ``figures:`` and ``tables:`` of the configuration, by name.

    Returns
    -------
    dict
        The path below the working folder that each is compared by.
    """
    files = {}
    for name, entry in entries.items():
        kind = entry.get("kind", "layers")
        # No paper draws a measure of the states themselves.
        if "paper" not in entry or "metric" in entry:
            continue
        if entry["paper"] == REAL_MODEL:
            if kind in CLAIMED:
                folder = "results/tables" if kind == "variants" else "figures"
                files[name] = f"{folder}/{name}.csv"
        elif "table" in entry:
            files[name] = f"results/tables/{name}.csv"
        elif (
            (kind == "scaling" and _has_numbers_of_its_own(entry["paper"], entries))
            or (kind == "token_selection" and entry["paper"] == TAN)
            or TOLD_BY.get(kind) == entry["paper"]
            or (kind == "layers" and (entry["model"], entry["dataset"]) in _drawn(entry["paper"]))
        ):
            files[name] = f"figures/{name}.csv"
    return files


def _has_numbers_of_its_own(paper: str, entries: Mapping[str, Entry]) -> bool:
    """Whether a figure of scaling is compared: not where its tables are, which count once."""
    tables = set(TABLES_OF_FAMILIES.get(paper, {}).values())
    built = {str(entry.get("table")) for entry in entries.values() if entry.get("paper") == paper}
    return bool(tables) and not tables <= built


@functools.cache
def _drawn(paper: str) -> frozenset[tuple[str, str]]:
    """Models and data sets whose curves across layers a paper shows."""
    curves = published(paper, "figures")
    if not curves.is_file():
        return frozenset()
    # Read without pandas, since every plan of the workflow asks for it.
    with curves.open(encoding="utf-8", newline="") as lines:
        return frozenset((row["model"], row["dataset"]) for row in csv.DictReader(lines))
