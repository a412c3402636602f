"""What a file imports: an edit of a module of this library runs the jobs that use it again.

Other libraries are what the jobs of one run share (`running.workers`).
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from matrix_entropy.base.shipped import LIBRARY

# Parsing all files with `ast` would take a fifth of Snakemake's start.
IMPORT = re.compile(r"^ *from matrix_entropy([\w.]*) import (?:\(([^)]*)\)|(.*))", re.MULTILINE)
# At the top of a file: what stands further in is imported when it is needed, if at all.
AT_THE_TOP = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)


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


@functools.cache
def modules(*begun: Path) -> frozenset[Path]:
    """Files of this library that some files import, and these, and so on; and the first ones."""
    found: set[Path] = set()
    waiting = {*begun}
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= {LIBRARY / f"{name}.py" for name in imports(path)} - found
    return frozenset(found)


@functools.cache
def libraries(script: Path) -> frozenset[str]:
    """Packages that a script, and what it imports from this library, import at their top.

    A line of text that begins like an import gives a name as well, of which there is no package.
    """
    texts = (path.read_text(encoding="utf-8") for path in modules(script))
    return frozenset(name for text in texts for name in AT_THE_TOP.findall(text))
