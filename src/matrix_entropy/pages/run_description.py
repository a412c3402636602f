"""What a run was configured to do and which versions it ran with: two files for its report."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from packaging.requirements import Requirement

from matrix_entropy.models.provenance import versions


class _PlainDumper(yaml.SafeDumper):
    """Writes an entry that several names share in full at each of them, as a reader expects it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def configuration_text(config: dict[str, Any]) -> str:
    """The configuration as YAML, in its order; a run that is given this text does the same.

    ``config`` is what `configuration.checking.checked` returns, defaults filled in.

    Examples
    --------
    >>> shared = {"layers": 2}
    >>> print(configuration_text({"models": {"b": shared, "a": shared}}), end="")
    models:
      b:
        layers: 2
      a:
        layers: 2
    """
    return yaml.dump(config, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100)


def version_table(requirements: str | Path) -> pd.DataFrame:
    """Versions of Python, of this project and of the packages that it requires.

    Parameters
    ----------
    requirements : path
        A requirements file; what follows a ``#`` is a comment.

    Returns
    -------
    DataFrame
        Columns ``package``, ``required`` (``==2.4.6``; empty for Python and the project) and
        ``installed``, without a build's local part; empty where this environment has none, since
        an environment need not hold what only other jobs use.
    """
    rows = [(name, "", installed) for name, installed in versions().items()]
    for line in Path(requirements).read_text(encoding="utf-8").splitlines():
        if wanted := line.partition("#")[0].strip():
            package = Requirement(wanted)
            rows.append((package.name, str(package.specifier), _installed(package.name)))
    return pd.DataFrame(rows, columns=["package", "required", "installed"])


def _installed(package: str) -> str:
    try:
        return version(package).split("+")[0]
    except PackageNotFoundError:
        return ""
