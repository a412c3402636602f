"""Which code runs: its version, its commit, and where its repository is."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from matrix_entropy.base import shipped

# What makes numbers and pictures; notes and configurations that lie beside it are not looked at.
CODE = ("src", "workflow", "paper", "data", "Snakefile", "requirements.txt")


class SourceCode(NamedTuple):
    """Where the code that runs can be found again.

    Attributes
    ----------
    version : str
        Of the package.
    commit : str or None
        Of the checkout that it runs from; None if it runs from none, or there is no git.
    changed : bool
        Whether files of code differ from that commit.
    """

    version: str
    commit: str | None
    changed: bool

    def words(self, digits: int = 40) -> str:
        """For a reader, with so many digits of the commit.

        Examples
        --------
        >>> SourceCode("0.2.0", "0123456789" * 4, True).words(12)
        'commit 012345678901 of version 0.2.0, with uncommitted changes'
        >>> SourceCode("0.2.0", None, False).words()
        'version 0.2.0'
        """
        if self.commit is None:
            return f"version {self.version}"
        changes = ", with uncommitted changes" if self.changed else ""
        return f"commit {self.commit[:digits]} of version {self.version}{changes}"


def source_code(root: Path = shipped.ROOT) -> SourceCode:
    """Version and commit of the code in a folder, by default of that which runs."""
    from matrix_entropy import __version__

    found = _git(root, "rev-parse", "--show-toplevel", "HEAD")
    if (
        len(found) != 2 or Path(found[0]).resolve() != root.resolve()
    ):  # a checkout of something else
        return SourceCode(__version__, None, False)
    return SourceCode(__version__, found[1], bool(_git(root, "status", "--porcelain", "--", *CODE)))


def _git(root: Path, *command: str) -> list[str]:
    """What git says of a folder, line by line; nothing where it cannot."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *command], capture_output=True, text=True, check=False
        )
    except OSError:  # not installed
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
