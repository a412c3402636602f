"""Which modules of this library a file imports: an edit of one runs the jobs that use it again."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from matrix_entropy.base.shipped import LIBRARY

# Parsing all files with `ast` would take a fifth of Snakemake's start.
IMPORT = re.compile(r"^ *from matrix_entropy([\w.]*) import (?:\(([^)]*)\)|(.*))", re.MULTILINE)


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Modules that a file imports from this library, as paths in it without ``.py``.

    From a package come modules, from a module what is in it.
    """
    found = set()
    for package, *lists in IMPORT.findall(path.read_text(encoding="utf-8")):
        inner = package[1:].replace(".", "/")
        if (LIBRARY / f"{inner}.py").is_file():
            found.add(inner)
        else:
            listed = re.sub("#.*", "", "".join(lists)).split(",")
            names = [words.split()[0] for words in listed if words.strip()]
            found |= {f"{inner}/{name}".strip("/") for name in names if name[:2] != "__"}
    return frozenset(found)
