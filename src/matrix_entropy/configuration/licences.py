"""Which texts of a configuration may be shown in part, and under which licence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_entropy.configuration.experiments import members_of

Entry = dict[str, Any]

# Licences under which a part of a text may stand in a page that names them.
OPEN = ("CC0", "CC BY", "MIT", "Apache-2.0", "BSD", "AFL", "ODC-By", "public domain")
# Sources whose texts this project wrote or makes, or that come with Python under its licence.
HERE = frozenset(("bundled", "generate", "sentences", "python_documentation"))


def may_be_shown(dataset: Entry) -> bool:
    """Whether parts of a data set's texts may stand in a page.

    They may if they are written here or come with Python, or under an open licence without a
    reservation.

    Examples
    --------
    >>> may_be_shown({"hub": "a/b", "licence": "CC BY-SA 3.0"}), may_be_shown({"path": "x.txt"})
    (True, False)
    >>> may_be_shown({"hub": "a/b", "licence": "Apache-2.0 (the card; the texts are web pages)"})
    False
    """
    licence = dataset.get("licence", "")
    return not HERE.isdisjoint(dataset) or (licence.startswith(OPEN) and "(" not in licence)


def licences_of(name: str, datasets: Mapping[str, Entry]) -> tuple[str, list[str]]:
    """The licences of a data set's texts in words, and the groups that may not be shown.

    Those of a union are those of the data sets it joins, which are its groups; those of variants
    are those of the data set that they are made of, whose texts are all shown or none.

    Examples
    --------
    >>> datasets = {"a": {"licence": "MIT"}, "b": {"path": "b.txt"}, "c": {"union": ["a", "b"]}}
    >>> licences_of("c", datasets)
    ('a: MIT', ['b'])
    """
    entry = datasets[name]
    if "variants" in entry:
        words, hidden = licences_of(entry["variants"]["of"], datasets)
        return words, ["*"] if hidden else []
    members = {member: datasets[member] for member in members_of(name, datasets)}
    said = {member: entry["licence"] for member, entry in members.items() if "licence" in entry}
    hidden = [member for member, entry in members.items() if not may_be_shown(entry)]
    if "union" not in entry:
        return said.get(name, ""), ["*"] if hidden else []
    return "; ".join(f"{member}: {licence}" for member, licence in said.items()), hidden
