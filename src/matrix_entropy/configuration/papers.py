"""Papers: a folder each in paper/, whose paper.yaml holds what the paper is and what it shows.

A scale names its papers (``papers:``) and adds models and data sets of the names that they use.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.shipped import PAPERS
from matrix_entropy.base.yaml_files import read_yaml

Entry = dict[str, Any]

FILE = "paper.yaml"
SECTIONS = ("figures", "tables")
SAID = ("title", "reference", "description")  # by every paper


@functools.cache
def paper_names() -> tuple[str, ...]:
    """Names of the papers that there are."""
    return tuple(sorted(path.parent.name for path in PAPERS.glob(f"*/{FILE}")))


@functools.cache
def paper(name: str) -> Entry:
    """A paper: ``title``, ``reference`` ("Liang 2024"), ``description``, ``figures``, ``tables``.

    Raises
    ------
    InputError
        If there is no such paper, or its file lacks one of these or has another key.
    """
    if name not in paper_names():
        known = ", ".join(paper_names())
        raise InputError(
            f"configuration: `papers:` names '{name}', which is none of {known}; correct it, or "
            f"write paper/{name}/{FILE} (paper/template/ shows how)."
        )
    found: Entry = read_yaml(PAPERS / name / FILE)
    where = f"configuration: paper/{name}/{FILE}"
    if not isinstance(found, dict) or not {*SAID} <= {*found} <= {*SAID, *SECTIONS}:
        raise InputError(
            f"{where} has to say {', '.join(SAID)}, and may have {' and '.join(SECTIONS)}; correct "
            "its keys (paper/template/ shows how)."
        )
    for section in SECTIONS:
        entries = found.setdefault(section, {})
        if not isinstance(entries, dict) or not all(isinstance(e, dict) for e in entries.values()):
            raise InputError(f"{where}: '{section}' is no mapping of entries; correct it.")
        for entry in entries.values():
            entry["paper"] = name
    return found


def with_papers(config: Entry) -> Entry:
    """The configuration with the entries of its papers, with what it says of their keys itself.

    Raises
    ------
    InputError
        If a paper is unknown, or two papers have an entry of one name.
    """
    papers = config.get("papers", [])
    if not isinstance(papers, list) or not all(isinstance(name, str) for name in papers):
        return config  # the schema says what is wrong
    whole = dict(config)
    for section in SECTIONS:
        entries: Entry = {}
        for name in papers:
            for twice in {*entries} & {*paper(name)[section]}:
                raise InputError(
                    f"configuration: the papers '{entries[twice]['paper']}' and '{name}' both have "
                    f"an entry '{twice}' in `{section}:`; use another name in one of them."
                )
            # Copies: what is done to a configuration is not done to the paper.
            entries |= copy.deepcopy(paper(name)[section])
        own = config.get(section, {})
        if entries and isinstance(own, dict):
            whole[section] = merged(entries, own)
    return whole


def merged(under: Entry, over: Entry) -> Entry:
    """Mappings merged key by key, as Snakemake merges files; what is ``over`` has the last word."""
    both = {
        key: merged(under[key], value)
        if isinstance(value, dict) and isinstance(under.get(key), dict)
        else value
        for key, value in over.items()
    }
    return under | both
