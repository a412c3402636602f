"""Where the numbers of a figure or table come from: rule, script, module, and the code's commit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matrix_entropy.base.shipped import CITATION, LIBRARY, ROOT
from matrix_entropy.base.source_code import source_code
from matrix_entropy.base.yaml_files import read_yaml
from matrix_entropy.configuration.kinds import KINDS, rule_of

RULES = ROOT / "workflow/rules/kinds.smk"
SCRIPT = ROOT / "workflow/scripts/results/make_kind.py"
DIGITS = 12  # of a commit, enough to find it


def origins(kinds: Mapping[str, str], page: Path) -> dict[str, Any]:
    """What a page says of where its figures and tables come from.

    Parameters
    ----------
    kinds : mapping
        Of every figure and table the kind.
    page : Path
        The page, from whose folder links go.

    Returns
    -------
    dict
        ``code``, in words; and of every name in ``made_by`` a list of what a part is, its name, and
        where it is: the rule, the script that it runs, and the module whose function that calls.
    """
    code = source_code()
    repository = read_yaml(CITATION).get("repository-code")

    def link(file: Path) -> str:
        if repository and code.commit and not code.changed:
            return f"{repository}/blob/{code.commit}/{file.relative_to(ROOT).as_posix()}"
        return Path(os.path.relpath(file, page.parent)).as_posix()

    found = {}
    for name, kind in kinds.items():
        module = LIBRARY / f"{KINDS[kind].module}.py"
        found[name] = [
            ["rule", rule_of(kind), link(RULES)],
            ["script", SCRIPT.name, link(SCRIPT)],
            ["module", module.relative_to(LIBRARY).as_posix(), link(module)],
        ]
    return {"code": f"Made by {code.words(DIGITS)}.", "made_by": found}
