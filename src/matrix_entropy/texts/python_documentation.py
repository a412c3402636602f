"""Paragraphs of the documentation that ships with Python: real English that every machine has."""

from __future__ import annotations

import hashlib
import platform
import re
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.readers import select_texts

MODULE = "pydoc_data.topics"
LICENCE = "PSF License Version 2"

BLANK_LINES = re.compile(r"\n\s*\n")
UNDERLINE = re.compile(r"^([*=\-~^#.])\1+$", re.MULTILINE)
BEGINNINGS, ENDS = "\"“'(", (".", "?", "!")


def read_python_documentation(
    dataset: dict[str, Any],
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Texts of a data set with ``python_documentation:``, and where they came from.

    The same for every run of one version of Python.

    Parameters
    ----------
    dataset : dict
        The data set's entry: ``python_documentation`` with ``shortest`` and ``longest``, the
        characters of a paragraph, and perhaps ``sample``.

    Returns
    -------
    texts : list of dict
        ``id`` (position among the paragraphs of these lengths), ``group`` and ``text``.
    origin : dict
        Source with Python's version, SHA-256 of what was read, licence and counts.

    Raises
    ------
    InputError
        If this Python has no documentation, or there are too few paragraphs.
    """
    topics, version = _topics(), platform.python_version()
    shortest, longest = (dataset["python_documentation"][key] for key in ("shortest", "longest"))
    found = paragraphs(topics)
    records = [{"text": text} for text in found if shortest <= len(text) <= longest]
    name = f"the documentation of Python {version}"
    if not records:
        raise InputError(
            f"{name} has no paragraph of {shortest} to {longest} characters; its paragraphs have "
            f"{min(map(len, found))} to {max(map(len, found))}: change `shortest:` or `longest:`."
        )
    texts, counts = select_texts(records, dataset | {"field": "text"}, name)
    read = "".join(f"{topic}\0{topics[topic]}\0" for topic in sorted(topics))
    return texts, {
        "source": f"{MODULE} of Python {version}",
        "python": version,
        "sha256": hashlib.sha256(read.encode()).hexdigest(),
        "licence": LICENCE,
        **counts,
    }


def paragraphs(topics: dict[str, str]) -> list[str]:
    """Paragraphs of running English, each in one line, in the order of the topics' names.

    A paragraph stands between blank lines. It is English if none of its lines is indented (as
    code, tables, lists and definitions are) or made of one sign alone (below a heading), if it
    begins with a capital letter, a quotation mark or a bracket (and not with the sign of a list or
    of a directive) and ends with a full stop, a question or an exclamation mark. What stands under
    several topics is taken once.

    Examples
    --------
    >>> topic = "Names\\n*****\\n\\nNames refer\\nto objects.\\n\\n   x = 1\\n\\n* An item."
    >>> paragraphs({"names": topic})
    ['Names refer to objects.']
    """
    found: dict[str, None] = {}
    for topic in sorted(topics):
        for block in BLANK_LINES.split(topics[topic].strip("\n")):
            indented = any(line[:1].isspace() for line in block.split("\n"))
            text = " ".join(block.split())
            begins = text[:1].isupper() or text[:1] in BEGINNINGS
            if begins and text.endswith(ENDS) and not indented and not UNDERLINE.search(block):
                found[text] = None
    return list(found)


def _topics() -> dict[str, str]:
    try:
        from pydoc_data.topics import topics  # which other texts need not read
    except ImportError:
        raise InputError(
            f"this Python ({platform.python_version()}) lacks {MODULE}, the documentation that "
            "ships with it; install the package of your system that has it, take another Python, "
            "or give the data set another source than `python_documentation:`."
        ) from None
    return dict(topics)
